"""Requests on a bare socket: whatever is put into them, and the answers as they come."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from interlock.connectors.aws import sigv4
from interlock.testing.peers.moto import REGION, AwsGateway

PATIENCE_S = 30.0
JSON = ("content-type", "application/x-amz-json-1.0")


@dataclass(frozen=True)
class Answer:
    """One answer: `status`, `head` (bytes) and `body`."""

    status: int
    head: bytes
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class Raw:
    """An agent that writes its requests itself."""

    def __init__(self, gateway: AwsGateway, agent: str) -> None:
        told = gateway.environment(agent)
        self.port = gateway.port
        self.host = f"127.0.0.1:{self.port}"
        self._key, self._secret = told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"]

    def headers(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        service: str = "s3",
        host: str = "",
        headers: Iterable[tuple[str, str]] = (),
        hashed: str = "",
    ) -> list[tuple[str, str]]:
        """A request's headers with a good signature, Host first."""
        path, _, query = target.partition("?")
        kept = [*headers]
        if service == "dynamodb":
            kept = [JSON, *kept]
        added = sigv4.sign(
            method, host or self.host, path, query, kept, key_id=self._key, secret=self._secret, token="",
            region=REGION, service=service, payload_hash=hashed or sigv4.hash_of(body), now=datetime.now(UTC),
        )  # fmt: skip
        return [("host", host or self.host), *kept, *added]

    def request(self, method: str, target: str, body: bytes = b"", **more: Any) -> bytes:
        """A whole request with a good signature."""
        found = self.headers(method, target, body, **more)
        return written(method, target, [*found, ("content-length", str(len(body)))], body)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def send(self, data: bytes) -> list[Answer]:
        """All answers until the gateway closes, as it does after a request that it cannot read."""
        with self.connect() as connection:
            connection.sendall(data)
            return answers(everything(connection))

    def one(self, data: bytes) -> Answer:
        """The first answer; the connection stays open until it is there."""
        with self.connect() as connection:
            connection.sendall(data)
            return first(connection)


def written(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def everything(connection: socket.socket) -> bytes:
    data = b""
    try:
        while piece := connection.recv(1 << 16):
            data += piece
    except ConnectionResetError:
        pass
    return data


def first(connection: socket.socket) -> Answer:
    data = b""
    while not (found := answers(data)):
        piece = connection.recv(1 << 16)
        assert piece, f"closed after {data[:300]!r}"
        data += piece
    return found[0]


def answers(data: bytes) -> list[Answer]:
    """The complete answers in it; answers in chunks keep their framing, and end the list."""
    found = []
    while (end := data.find(b"\r\n\r\n")) >= 0:
        head = data[:end]
        status, told = int(head.split(b" ", 2)[1]), _length(head)
        if status == 100:
            data = data[end + 4 :]
            continue
        if told is None or len(data) < end + 4 + told:
            if told is None and data.endswith(b"\r\n0\r\n\r\n"):
                found.append(Answer(status, head, data[end + 4 :]))
            break
        found.append(Answer(status, head, data[end + 4 : end + 4 + told]))
        data = data[end + 4 + told :]
    return found


def _length(head: bytes) -> int | None:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0 if b" 204 " in head[:16] or b" 304 " in head[:16] else None
