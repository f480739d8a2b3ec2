"""AWS with faults: a server on loopback that passes requests on to moto, but for those that a test has it break."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

MARK = b"interlock"
"""In the user agent of the gateway's own calls, and of no agent's."""
Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@dataclass
class Fault:
    """What becomes of a request. `when` it is `after`, moto has done it by then; `work` is done as well. `do`: `answer` with the
    bytes (which are no HTTP for `garbage`), `cut` the connection, `hang` until `Faulty.let_go` (then say nothing, or what is
    `late`), or send `half` of moto's answer and end."""

    when: Literal["before", "after"]
    do: Literal["answer", "cut", "hang", "late", "half", "garbage"]
    bytes: bytes = b""
    work: Callable[[], object] | None = None


@dataclass
class Rule:
    """`times` says how often it is used up."""

    fits: Callable[["Seen"], bool]
    fault: Fault
    times: int = 1
    used: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Seen:
    """A request as it came, framing and all; `complete` unless the sender went away in the middle."""

    head: bytes
    body: bytes
    complete: bool = True

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def own(self) -> bool:
        """Whether it is a question of the gateway's own."""
        return MARK in self.head.lower()

    def header(self, name: str) -> str:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""

    def says(self, text: str) -> bool:
        """Whether an agent's request has this in its head or body."""
        return not self.own and text.encode() in self.head + b"\r\n\r\n" + self.body


def answer(status: int, body: bytes = b"", *headers: tuple[str, str]) -> bytes:
    """An HTTP answer that ends its connection."""
    lines = [f"HTTP/1.1 {status} Told", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Faulty:
    """See the module. `seen` are all requests, in their order."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self.seen: list[Seen] = []
        self._rules: list[Rule] = []
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._ends: asyncio.Event
        self._go: asyncio.Event
        self.port = 0

    # -- what tests say

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self, text: str, fault: Fault, *, times: int = 1, own: bool = False) -> Rule:
        """Break the next requests of agents (or of the gateway's `own`) that have this text in them."""

        def fits(seen: Seen) -> bool:
            return seen.own is own and text.encode() in seen.head + b"\r\n\r\n" + seen.body

        rule = Rule(fits, fault, times)
        self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """Break nothing any more, and let go what hangs."""
        self._rules.clear()
        self.let_go()

    def let_go(self) -> None:
        """What hangs goes on."""
        self._loop.call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        self._go.set()
        self._go = asyncio.Event()

    def forwarded(self, text: str) -> list[Seen]:
        """Agents' requests with this text that came here."""
        return [seen for seen in list(self.seen) if seen.says(text)]

    # -- life

    def __enter__(self) -> Self:
        threading.Thread(target=lambda: asyncio.run(self._serve()), name="faulty", daemon=True).start()
        assert self._ready.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ends.set)

    async def _serve(self) -> None:
        self._loop, self._ends, self._go = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ends.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connection(self, reader: Reader, writer: Writer) -> None:
        try:
            while (request := await _request(reader)) is not None:
                self.seen.append(request)
                if not request.complete or not await self._one(request, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, request: Seen, writer: Writer) -> bool:
        rule = next((r for r in self._rules if r.times > 0 and r.fits(request)), None)
        if rule is None:
            writer.write(await self._passed(request))
            await writer.drain()
            return False
        rule.times -= 1
        told = await self._passed(request) if rule.fault.when == "after" else b""
        if rule.fault.work is not None:
            await asyncio.to_thread(rule.fault.work)
        rule.used.set()
        await self._break(rule.fault, told, writer)
        return False

    async def _break(self, fault: Fault, told: bytes, writer: Writer) -> None:
        match fault.do:
            case "answer" | "garbage":
                writer.write(fault.bytes)
                await writer.drain()
            case "half":
                writer.write(told[: len(told) - max(1, len(told.partition(b"\r\n\r\n")[2]) // 2)])
                await writer.drain()
            case "hang":
                await self._go.wait()
            case "late":
                await self._go.wait()
                writer.write(told)
                await writer.drain()
            case "cut":
                writer.transport.abort()

    async def _passed(self, request: Seen) -> bytes:
        """moto's answer, all of it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream, limit=1 << 20)
        try:
            writer.write(_closing(request.head) + b"\r\n\r\n" + request.body)
            await writer.drain()
            return _closing_answer(await reader.read(-1))
        finally:
            writer.close()


def _closing(head: bytes) -> bytes:
    lines = [
        line for line in head.split(b"\r\n") if not line.lower().startswith((b"connection:", b"expect:"))
    ]
    return b"\r\n".join([*lines, b"Connection: close"])


def _closing_answer(told: bytes) -> bytes:
    head, blank, body = told.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close"]) + blank + body


async def _request(reader: Reader) -> Seen | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    except asyncio.IncompleteReadError as end:
        return Seen(end.partial, b"", complete=False) if end.partial else None
    told = Seen(head, b"")
    if "chunked" in told.header("transfer-encoding"):
        return await _chunks(head, reader)
    length = int(told.header("content-length") or 0)
    body = b""
    while len(body) < length:
        piece = await reader.read(min(1 << 20, length - len(body)))
        if not piece:
            return Seen(head, body, complete=False)
        body += piece
    return Seen(head, body)


async def _chunks(head: bytes, reader: Reader) -> Seen:
    body = b""
    try:
        while True:
            line = await reader.readuntil(b"\r\n")
            body += line + await reader.readexactly(int(line, 16) + 2)
            if int(line, 16) == 0:
                return Seen(head, body)
    except asyncio.IncompleteReadError as end:
        return Seen(head, body + end.partial, complete=False)
