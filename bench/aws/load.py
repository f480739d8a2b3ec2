"""A load generator on bare sockets: requests are signed beforehand, connections are kept, and nothing is parsed but where an
answer ends. boto3 takes several times longer for a call than anything that is measured here."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import uvloop

from interlock.connectors.aws import sigv4


@dataclass(frozen=True, slots=True)
class Ask:
    """A call, as it is sent: everything but the signature."""

    service: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


GET_ITEM = Ask(
    "dynamodb",
    "/",
    (("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "DynamoDB_20120810.GetItem")),
    b'{"TableName":"bench","Key":{"id":{"S":"1"}}}',
)
GET_USER = Ask(
    "iam",
    "/",
    (("content-type", "application/x-www-form-urlencoded; charset=utf-8"),),
    b"Action=GetUser&UserName=bench&Version=2010-05-08",
)
IDENTITY = Ask(
    "sts",
    "/",
    (("content-type", "application/x-www-form-urlencoded; charset=utf-8"),),
    b"Action=GetCallerIdentity&Version=2011-06-15",
)


def signed(ask: Ask, url: str, key_id: str, secret: str) -> bytes:
    """The bytes of a request to an address, good for a quarter of an hour."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + ask.path
    headers = [*ask.headers, ("content-length", str(len(ask.body)))]
    added = sigv4.sign(
        "POST", parts.netloc, path, "", headers, key_id=key_id, secret=secret, token="",
        region="us-east-1", service=ask.service, payload_hash=sigv4.hash_of(ask.body), now=datetime.now(UTC),
    )  # fmt: skip
    lines = [f"POST {path} HTTP/1.1", f"host: {parts.netloc}", *(f"{n}: {v}" for n, v in (*headers, *added))]
    return "\r\n".join([*lines, "", ""]).encode() + ask.body


class Client(asyncio.Protocol):
    """One connection that asks the same again and again, until its time is over."""

    def __init__(self, request: bytes, end: float, port: int) -> None:
        self._request, self._end, self._port = request, end, port
        self._kept = b""
        self._begun = 0.0
        self.times: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._ask()

    def _ask(self) -> None:
        self._begun = self._begun or time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._kept += data
        if not complete(self._kept):
            return
        if not self._kept.startswith(b"HTTP/1.1 200"):
            self._finish(RuntimeError(self._kept[:600].decode("latin-1")))
            return
        now = time.perf_counter()
        self.times.append(now - self._begun)
        closes = b"connection: close" in self._kept.split(b"\r\n\r\n", 1)[0].lower()
        self._kept = b""
        self._begun = (
            now if closes else 0.0
        )  # where connections are not kept, making one is a part of each call
        if now >= self._end:
            self._finish(None)
        elif closes:
            self._transport.close()
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._connecting = asyncio.get_running_loop().create_task(self.connect())

    def _finish(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error) if error else self.done.set_result(None)
        self._transport.close()


def complete(data: bytes) -> bool:
    """Whether an answer has come whole: with a Content-Length, or in chunks."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = data[:end].lower()
    place = head.find(b"content-length:")
    if place < 0:
        return data.endswith(b"\r\n0\r\n\r\n")
    return len(data) >= end + 4 + int(head[place + 15 :].split(b"\r\n", 1)[0])


def run(request: bytes, port: int, seconds: float, connections: int) -> list[float]:
    """The time of each answer, in seconds, of so many connections that ask one thing after the other."""
    return uvloop.run(_run(request, port, seconds, connections))


async def _run(request: bytes, port: int, seconds: float, connections: int) -> list[float]:
    end = time.perf_counter() + seconds
    clients = [Client(request, end, port) for _ in range(connections)]
    for client in clients:
        await client.connect()
    await asyncio.gather(*(client.done for client in clients))
    return [each for client in clients for each in client.times]
