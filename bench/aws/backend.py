"""An upstream that does nothing but answer: what is measured is the client, the network and whatever is in between.

It answers DynamoDB and STS alike to whatever is asked, and is an S3 bucket that takes and gives objects without keeping them."""

import asyncio
import sys

import uvloop

ITEM = b'{"Item":{"id":{"S":"1"},"v":{"S":"a value of some length, as items have"}}}'
IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Arn>arn:aws:iam::123456789012:user/bench</Arn><UserId>AIDA</UserId><Account>123456789012</Account>"
    b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
USER = (
    b'<GetUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetUserResult><User><UserName>bench</UserName>'
    b"<UserId>AIDA</UserId><Path>/</Path><Arn>arn:aws:iam::123456789012:user/bench</Arn>"
    b"<CreateDate>2026-01-01T00:00:00Z</CreateDate></User></GetUserResult></GetUserResponse>"
)
NO_KEY = b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>"
PIECE = bytes(1 << 20)


class Answering(asyncio.Protocol):
    """One connection: requests with a Content-Length (or no body), one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._kept = b""
        self._skip = 0
        self._writable = asyncio.Event()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self._skip:  # an object on its way to nowhere
            used = min(self._skip, len(data))
            self._skip -= used
            data = data[used:]
            if not self._skip:
                self._say(200, b"", b'ETag: "0"\r\n')
        self._kept += data
        while (end := self._kept.find(b"\r\n\r\n")) >= 0 and self._one(self._kept[:end], end + 4):
            pass

    def _one(self, head: bytes, begin: int) -> bool:
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
        length = _length(head.lower())
        there = len(self._kept) - begin
        if method == b"PUT" and there < length:
            self._skip, self._kept = length - there, b""
            return False
        if there < length:
            return False
        body, self._kept = self._kept[begin : begin + length], self._kept[begin + length :]
        self._answer(method, target, body)
        return True

    def _answer(self, method: bytes, target: bytes, body: bytes) -> None:
        if method == b"POST":
            kind, told = _said(body)
            self._say(200, told, b"x-amzn-RequestId: 1\r\nContent-Type: " + kind + b"\r\n")
        elif method == b"GET" and b"?versioning" in target:
            self._say(200, b"<VersioningConfiguration/>", b"Content-Type: application/xml\r\n")
        elif method == b"GET" and b"?" not in target:
            asyncio.get_running_loop().create_task(self._give(int(target.rpartition(b"-")[2])))
        elif method == b"HEAD":
            self._say(404, b"", b"")
        else:
            self._say(404 if method == b"GET" else 200, NO_KEY if method == b"GET" else b"", b'ETag: "0"\r\n')

    def _say(self, status: int, body: bytes, headers: bytes) -> None:
        head = b"HTTP/1.1 %d OK\r\n%bContent-Length: %d\r\n\r\n" % (status, headers, len(body))
        self._transport.write(head + body)

    async def _give(self, size: int) -> None:
        self._transport.write(b'HTTP/1.1 200 OK\r\nETag: "0"\r\nContent-Length: %d\r\n\r\n' % size)
        while size:
            piece = PIECE[: min(size, len(PIECE))]
            await self._writable.wait()
            self._transport.write(piece)
            size -= len(piece)


def _length(head: bytes) -> int:
    place = head.find(b"\r\ncontent-length:")
    return int(head[place + 17 :].split(b"\r\n", 1)[0]) if place >= 0 else 0


def _said(body: bytes) -> tuple[bytes, bytes]:
    if body.startswith(b"Action=GetUser"):
        return b"text/xml", USER
    return (b"text/xml", IDENTITY) if body.startswith(b"Action=") else (b"application/x-amz-json-1.0", ITEM)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
