"""A relay in front of the server: counts round trips, or makes the way to the server longer."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from interlock.testing.peers.pg import HOST


class Relay:
    """Passes bytes on, ``delay`` seconds later. ``turns`` counts, for each role, how often a client spoke after the server
    had."""

    def __init__(self, server: int, delay: float = 0) -> None:
        self._server = server
        self._delay = delay
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0
        self.turns: Counter[str] = Counter()

    def start(self) -> None:
        self._thread.start()
        opening = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, HOST, 0), self._loop)
        self.port = opening.result(timeout=10).sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(HOST, self._server)
        first = await reader.read(65536)
        role = first.partition(b"user\0")[2].partition(b"\0")[0].decode()
        server_writer.write(first)
        heard = [False]

        async def up() -> None:
            while data := await reader.read(65536):
                if heard[0]:
                    self.turns[role] += 1
                    heard[0] = False
                self._pass(server_writer, data)

        async def down() -> None:
            while data := await server_reader.read(65536):
                heard[0] = True
                self._pass(writer, data)

        with suppress(ConnectionError):
            _, pending = await asyncio.wait(
                (asyncio.create_task(up()), asyncio.create_task(down())), return_when=asyncio.FIRST_COMPLETED
            )
            for task in pending:
                task.cancel()
        server_writer.close()
        writer.close()

    def _pass(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self._delay:
            self._loop.call_later(self._delay, writer.write, data)
        else:
            writer.write(data)


@contextmanager
def relay(server: int, delay: float = 0) -> Iterator[Relay]:
    """A relay to the server at that port, in a thread of its own. ``delay`` is in seconds, each way."""
    made = Relay(server, delay)
    made.start()
    try:
        yield made
    finally:
        made.stop()
