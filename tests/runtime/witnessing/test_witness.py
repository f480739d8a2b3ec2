"""Witnesses: what they are told, what happens while they cannot be reached, and that a cut or rewritten store shows by them."""

import asyncio
import json
import socket
import sqlite3
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.console.app import doors
from interlock.ledger import note
from interlock.ledger.note import Checkpoint, SignerKey, split_notes
from interlock.ledger.verify import Problem
from interlock.model.errors import Unavailable
from interlock.runtime.config import secrets
from interlock.runtime.config.document import load
from interlock.runtime.doctor import online
from interlock.runtime.opening import CHECKPOINT, open_configured
from interlock.runtime.serve import Server
from interlock.runtime.witnessing import places as witness
from interlock.runtime.witnessing.places import FilePlace, HttpPlace
from interlock.runtime.witnessing.witnesses import FIRST_PAUSE, LATE, MOST_PAUSE, Witness, Witnesses
from interlock.testing import signing

KEY = SignerKey("log.example/shop", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
NOTES = [note.sign_checkpoint(Checkpoint(KEY.name, size, bytes(32)), KEY) for size in range(4)]
TOKEN = "a-token-of-the-witness"
CONFIG = """
store: sqlite:///log.db
state_dir: var
api: {listen: "127.0.0.1:0"}
targets: {}
quorums: {two-sre: {count: 2, group: sre}}
"""


class Remote(HTTPServer):
    """A witness behind HTTP. It is there, but does not listen before `begin`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take, bind_and_activate=False)
        self.server_bind()
        self.token, self.status = TOKEN, 201
        self.asked = 0
        self.taken: list[tuple[str, str, bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/logs/shop"

    def begin(self, certificate: Path | None = None) -> None:
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.url = self.url.replace("http:", "https:")
        self.server_activate()
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()
        self.begun = True

    begun = False


class _Take(BaseHTTPRequestHandler):
    server: Remote

    def do_POST(self) -> None:
        self.server.asked += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        known = self.headers["Authorization"] == f"Bearer {self.server.token}"
        status = self.server.status if known else 401
        if 200 <= status <= 299:
            self.server.taken.append((self.path, self.headers["Content-Type"], body))
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        # What a witness answers is nobody's business but its own.
        self.wfile.write(self.headers["Authorization"].encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def remote() -> Iterator[Remote]:
    with Remote() as made:
        yield made
        if made.begun:
            made.shutdown()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


def secret(file: Path) -> secrets.Secret:
    return secrets.parse({"file": str(file)}, file.parent)


class Clock:
    """Seconds that pass when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


# -- the file


def test_a_file_gets_each_checkpoint_once(tmp_path: Path) -> None:
    file = tmp_path / "seen"
    place = FilePlace(file)
    assert place.newest() is None
    for data in (NOTES[1], NOTES[2], NOTES[2]):
        place.take(data)
    FilePlace(file).take(NOTES[2])  # as after a restart
    assert split_notes(file.read_bytes()) == (NOTES[1], NOTES[2])
    assert file.read_bytes() == NOTES[1] + b"\n" + NOTES[2] + b"\n"
    assert file.stat().st_mode & 0o022 == 0
    assert FilePlace(file).newest() == NOTES[2]


def test_what_was_written_in_part_stays_apart(tmp_path: Path) -> None:
    file = tmp_path / "seen"
    file.write_bytes(NOTES[1] + b"\n" + NOTES[2][:40])
    place = FilePlace(file)
    assert place.newest() == NOTES[1]
    place.take(NOTES[2])
    assert place.newest() == NOTES[2]
    kept = split_notes(file.read_bytes())
    assert (kept[0], kept[-1]) == (NOTES[1], NOTES[2])


def test_the_newest_of_a_long_file_is_found(tmp_path: Path) -> None:
    file = tmp_path / "seen"
    file.write_bytes(b"".join(data + b"\n" for data in NOTES[:3]) * 500)
    assert file.stat().st_size > witness._TAIL
    assert FilePlace(file).newest() == NOTES[2]


def test_a_file_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be written: No such file"):
        FilePlace(tmp_path / "missing/seen").take(NOTES[1])
    with pytest.raises(Unavailable, match="cannot be written: Is a directory"):
        FilePlace(tmp_path).take(NOTES[1])
    with pytest.raises(Unavailable, match="cannot be read: Is a directory"):
        FilePlace(tmp_path).newest()


# -- the address


def test_an_address_gets_the_note(remote: Remote, token: Path) -> None:
    remote.begin()
    HttpPlace(remote.url, secret(token)).take(NOTES[1])
    assert remote.taken == [("/logs/shop", "text/plain; charset=utf-8", NOTES[1])]


@pytest.mark.parametrize("status", [302, 400, 409, 500, 503])
def test_only_a_success_counts(remote: Remote, token: Path, status: int) -> None:
    remote.begin()
    remote.status = status
    with pytest.raises(Unavailable, match=f"^HTTP {status}$"):
        HttpPlace(remote.url, secret(token)).take(NOTES[1])
    assert remote.asked == 1, "a redirection is not followed: the token is for that address alone"


def test_a_refused_token_is_read_again_and_never_shown(remote: Remote, token: Path) -> None:
    remote.begin()
    clock = Clock()
    pushed = Witness("witness/1", HttpPlace(remote.url, secret(token)), clock)
    remote.token = "another-token-since-yesterday"
    pushed.offer(NOTES[1])
    with capture_logs() as logs:
        asyncio.run(pushed.push())
        token.write_text(remote.token)
        clock.now += FIRST_PAUSE
        asyncio.run(pushed.push())
    assert [entry["event"] for entry in logs] == ["witness.unreached", "witness.reached"]
    assert logs[0]["why"] == "HTTP 401: the token is refused"
    assert TOKEN not in str(logs)
    assert [body for _, _, body in remote.taken] == [NOTES[1]]


@pytest.mark.parametrize("text", ["two words", "a\nSecond: header", "naïve", "nul\x7f"])
def test_a_token_that_is_none_is_not_sent_nor_shown(remote: Remote, token: Path, text: str) -> None:
    remote.begin()
    token.write_text(text)
    with pytest.raises(Unavailable) as raised:
        HttpPlace(remote.url, secret(token)).take(NOTES[1])
    assert text not in str(raised.value)
    assert remote.asked == 0


def test_a_missing_token_is_a_failure_like_others(remote: Remote, token: Path) -> None:
    token.unlink()
    with pytest.raises(Unavailable, match="secret file"):
        HttpPlace(remote.url, secret(token)).take(NOTES[1])


def test_a_token_goes_only_to_one_whose_certificate_is_known(
    remote: Remote, token: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.begin(certificate)
    place = HttpPlace(remote.url, secret(token))
    with pytest.raises(Unavailable, match="certificate verify failed"):
        place.take(NOTES[1])
    assert remote.asked == 0
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    place.take(NOTES[2])
    assert [body for _, _, body in remote.taken] == [NOTES[2]]


@pytest.mark.parametrize("answer", [b"", b"no http\r\n\r\n", b"HTTP/1.1 2"])
def test_an_answer_that_is_none_is_no_success(token: Path, answer: bytes) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]

        def speak() -> None:
            connection, _ = listening.accept()
            with connection:
                while not connection.recv(65536).endswith(NOTES[1]):
                    pass
                connection.sendall(answer)

        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(Unavailable) as raised:
            HttpPlace(f"http://127.0.0.1:{port}/", secret(token)).take(NOTES[1])
        assert "no http" not in str(raised.value)
        thread.join(30)


def test_one_that_never_answers_is_left_in_time(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "LONGEST", 0.05)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening, pytest.raises(Unavailable) as raised:
        HttpPlace(f"http://127.0.0.1:{listening.getsockname()[1]}/", secret(token)).take(NOTES[1])
    assert "timed out" not in str(raised.value), "not by the timeout of one step"


def test_a_name_that_is_none_is_a_failure_like_others(token: Path) -> None:
    with pytest.raises(Unavailable):
        HttpPlace(f"https://{'a' * 70}.example/", secret(token)).take(NOTES[1])


# -- being told


def test_unreachable_then_back(remote: Remote, token: Path) -> None:
    clock = Clock()
    pushed = Witness("witness/1", HttpPlace(remote.url, secret(token)), clock)

    async def work() -> None:
        pushed.offer(NOTES[1])
        for _ in range(3):
            await pushed.push()
            clock.now += MOST_PAUSE
        pushed.offer(NOTES[2])
        assert pushed.why == "Connection refused"
        assert pushed.behind == 3 * MOST_PAUSE
        remote.begin()
        await pushed.push()
        await pushed.push()
        assert (pushed.why, pushed.behind) == ("", 0)

    with capture_logs() as logs:
        asyncio.run(work())
    assert [body for _, _, body in remote.taken] == [NOTES[2]], "the newest, once"
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("witness.unreached", "error"),
        ("witness.reached", "info"),
    ]
    assert logs[0]["where"] == remote.url


def test_it_is_asked_less_and_less_often(remote: Remote, token: Path) -> None:
    remote.begin()
    remote.status = 503
    clock = Clock()
    pushed = Witness("witness/1", HttpPlace(remote.url, secret(token)), clock)

    async def tries_in(seconds: float) -> int:
        before = remote.asked
        for _ in range(int(seconds)):
            clock.now += 1
            await pushed.push()
        return remote.asked - before

    async def work() -> None:
        pushed.offer(NOTES[1])
        assert await tries_in(100) == 4
        assert await tries_in(7000) == pytest.approx(7000 / MOST_PAUSE, abs=3)
        pushed.offer(NOTES[2])
        remote.status = 200
        assert await tries_in(MOST_PAUSE) == 1
        pushed.offer(NOTES[3])
        assert await tries_in(1) == 1, "after a success there is no pause"

    asyncio.run(work())
    assert [body for _, _, body in remote.taken] == [NOTES[2], NOTES[3]]


def test_one_that_fails_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    config = configured(tmp_path, "[{file: missing/seen}, {file: seen}]")
    told = Witnesses(config.witness)
    told.offer(NOTES[1])
    asyncio.run(told.push())
    assert FilePlace(tmp_path / "seen").newest() == NOTES[1]
    assert [bool(w.why) for w in told.all] == [True, False]


def test_doctor_counts_the_hours(tmp_path: Path) -> None:
    told = Witnesses(configured(tmp_path, "[{file: missing/seen}]").witness)
    assert list(told.findings()) == [], "nothing was signed yet"
    clock = Clock()
    told.all = (Witness("witness/1", FilePlace(tmp_path / "missing/seen"), clock),)
    told.offer(NOTES[1])
    asyncio.run(told.push())
    assert [f.level for f in told.findings()] == ["warning"]
    clock.now += LATE + 1
    (found,) = told.findings()
    assert (found.level, found.check) == ("error", "witness")
    assert "for 60 min: cannot be written: No such file" in found.what
    (tmp_path / "missing").mkdir()
    asyncio.run(told.push())
    assert [f.level for f in told.findings()] == ["ok"]


def test_one_that_hangs_is_noticed() -> None:
    clock = Clock()
    hanging = Witness("witness/1", FilePlace(Path("never-asked")), clock)
    hanging.offer(NOTES[1])
    assert hanging.why == ""
    clock.now += LATE
    assert hanging.why == "does not answer"


# -- a server with witnesses


def configured(folder: Path, witnesses: str = "[{file: seen}]") -> Any:
    (folder / "interlock.yaml").write_text(f"{CONFIG}witness: {witnesses}\n")
    return load(folder / "interlock.yaml")


@asynccontextmanager
async def serving(config: Any) -> AsyncIterator[Server]:
    if not config.state_dir.exists():
        await (await asyncio.to_thread(lambda: open_configured(config, create=True))).close()
    async with Server(config, doors()) as server:
        yield server


async def grow(server: Server, *names: str) -> None:
    """Add to the log, sign, and tell the witnesses."""
    for name in names:
        await server.runtime.people.add(name, ["sre"], signing.public_key_of(name), by="uid/1")
    await server.runtime.sign()
    await server.runtime.witnesses.push()


def copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)


def roll_back(folder: Path) -> None:
    """Put the older copy in the store's place, and let this machine forget what it had signed."""
    for path in (*folder.glob("log.db*"), folder / "var" / CHECKPOINT):
        path.unlink()
    copy(folder / "older.db", folder / "log.db")


async def two_generations(config: Any) -> tuple[bytes, ...]:
    """A log that grew after a copy of its store was taken; what the witness has of it."""
    async with serving(config) as server:
        await grow(server, "ann")
    copy(config.folder / "log.db", config.folder / "older.db")
    async with serving(config) as server:
        await grow(server, "bob", "cho")
    return split_notes((config.folder / "seen").read_bytes())


def verify(folder: Path, *pushed: str) -> tuple[int, list[str]]:
    words = [word for name in pushed for word in ("--pushed", str(folder / name))]
    done = CliRunner().invoke(
        app, ["ledger", "verify", "--json", "-c", str(folder / "interlock.yaml"), *words]
    )
    if not done.stdout:
        return done.exit_code, [str(done.exception)]
    return done.exit_code, [f["problem"] for f in json.loads(done.stdout)["findings"]]


def test_checkpoints_reach_a_file_and_an_address(tmp_path: Path, remote: Remote, token: Path) -> None:
    remote.begin()
    config = configured(tmp_path, f'[{{file: seen}}, {{url: "{remote.url}", token: {{file: token}}}}]')

    async def work() -> None:
        async with serving(config) as server:
            await grow(server, "ann")
            await grow(server, "bob")
            assert all(check.ok for check in server.runtime.health())
            found = [f for f in await online(server.runtime) if f.check == "witness"]
            assert [(f.level, f.what.split()[0]) for f in found] == [
                ("ok", str(tmp_path / "seen")),
                ("ok", remote.url),
            ]
            signed = await server.runtime.store.checkpoint()
        kept = split_notes((tmp_path / "seen").read_bytes())
        assert signed in kept
        assert signed in [body for _, _, body in remote.taken]
        async with serving(config) as server:
            await grow(server, "cho")
            assert (await server.runtime.store.verify(pushed=kept)).ok
        sizes = [
            note.parse_checkpoint(note.parse_note(data).text).size
            for data in split_notes((tmp_path / "seen").read_bytes())
        ]
        assert sizes == sorted(set(sizes)), "each once, across the restart"

    asyncio.run(work())
    assert verify(tmp_path, "seen") == (0, [])


def test_a_witness_that_fails_stops_nothing_and_is_shown(tmp_path: Path) -> None:
    async def work() -> None:
        async with serving(configured(tmp_path, "[{file: missing/seen}]")) as server:
            await grow(server, "ann")
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"http://{server.addresses[1]}/healthz")
            assert answer.status_code == 200
            said = answer.json()
            assert (said["ok"], said["degraded"]) == (True, True)
            assert [c for c in said["checks"] if not c["ok"]] == [
                {
                    "name": "witness/1",
                    "ok": False,
                    "why": "cannot be written: No such file or directory",
                    "vital": False,
                }
            ]
            (tmp_path / "missing").mkdir()

    asyncio.run(work())


def test_a_store_that_was_cut_is_not_signed_and_named(tmp_path: Path) -> None:
    config = configured(tmp_path)

    async def work() -> None:
        kept = await two_generations(config)
        roll_back(tmp_path)
        with capture_logs() as logs:
            async with serving(config) as server:
                store = server.runtime.store
                assert (await store.verify()).ok, "by itself the shorter log is whole"
                assert Problem.TRUNCATED in {f.problem for f in (await store.verify(pushed=kept)).findings}
                before = await store.checkpoint()
                await grow(server)
                assert await store.checkpoint() == before
                (check,) = [c for c in server.runtime.health() if not c.ok]
                assert (check.name, check.vital) == ("ledger", True)
                assert "its end was cut off (witness/1)" in check.why
                assert ("error", "ledger") in {(f.level, f.check) for f in await online(server.runtime)}
        assert ("ledger.signing_refused", "critical") in {(e["event"], e["log_level"]) for e in logs}
        assert split_notes((tmp_path / "seen").read_bytes()) == kept

    asyncio.run(work())
    assert verify(tmp_path)[0] == 0
    assert verify(tmp_path, "seen") == (1, ["truncated"])


def test_a_store_that_was_rewritten_is_not_signed_and_named(tmp_path: Path) -> None:
    config = configured(tmp_path)

    async def work() -> None:
        kept = await two_generations(config)
        (tmp_path / "seen").unlink()
        roll_back(tmp_path)
        async with serving(config) as server:
            await grow(server, *(f"dee-{n}" for n in range(9)))  # nobody knows better yet
        (tmp_path / "seen").write_bytes(b"".join(data + b"\n" for data in kept))
        async with serving(config) as server:
            await grow(server, "eve")
            (check,) = [c for c in server.runtime.health() if not c.ok]
            assert "are not the ones that were signed before (witness/1)" in check.why
        assert split_notes((tmp_path / "seen").read_bytes()) == kept

    asyncio.run(work())
    assert verify(tmp_path, "seen") == (1, ["forked"])


@pytest.mark.parametrize("what", ["folder", "garbage", "another log"])
def test_nothing_is_signed_while_a_file_cannot_be_compared(tmp_path: Path, what: str) -> None:
    config, file = configured(tmp_path), tmp_path / "seen"

    async def work() -> None:
        if what == "folder":
            file.mkdir()
        else:
            file.write_bytes(b"my diary\n" if what == "garbage" else NOTES[3])
        async with serving(config) as server:
            before = await server.runtime.store.checkpoint()
            await grow(server, "ann")
            assert await server.runtime.store.checkpoint() == before
            assert [c.name for c in server.runtime.health() if not c.ok] == ["ledger"]
            if what == "folder":
                file.rmdir()
            else:
                assert file.read_bytes() in (b"my diary\n", NOTES[3])
                file.unlink()
            await grow(server, "bob")
            assert await server.runtime.store.checkpoint() != before
            assert all(check.ok for check in server.runtime.health())
        assert len(split_notes(file.read_bytes())) >= 1

    asyncio.run(work())


def test_verify_wants_checkpoints_in_the_file(tmp_path: Path) -> None:
    async def work() -> None:
        async with serving(configured(tmp_path)):
            pass

    asyncio.run(work())
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "diary").write_bytes(b"dear diary\n")
    code, said = verify(tmp_path, "empty")
    assert code == 1
    assert "there is no checkpoint in" in said[0]
    assert verify(tmp_path, "diary") == (1, ["checkpoint"])
