"""An upstream that does nothing but answer: the time it takes is the client's, the network's and that of what is in between."""

import asyncio
import sys

import uvloop

ITEM = b'{"Item":{"id":{"S":"1"},"v":{"S":"a value of some length, as items have"}}}'
IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Arn>arn:aws:iam::123456789012:user/bench</Arn><UserId>AIDA</UserId><Account>123456789012</Account>"
    b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


class Answering(asyncio.Protocol):
    """One connection: requests with a Content-Length (or no body), each answered alike."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._kept = b""

    def data_received(self, data: bytes) -> None:
        self._kept += data
        while (end := self._kept.find(b"\r\n\r\n")) >= 0:
            head = self._kept[:end].lower()
            place = head.find(b"content-length:")
            length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            if len(self._kept) < end + 4 + length:
                return
            body, self._kept = self._kept[end + 4 : end + 4 + length], self._kept[end + 4 + length :]
            self._transport.write(_answer(body))  # type: ignore[attr-defined]  # a transport that writes


def _answer(body: bytes) -> bytes:
    kind, told = (
        (b"text/xml", IDENTITY) if body.startswith(b"Action=") else (b"application/x-amz-json-1.0", ITEM)
    )
    head = b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: 1\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (kind, len(told)) + told


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
