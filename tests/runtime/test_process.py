"""The server as a process: SIGTERM lets a commit finish, SIGHUP reloads, and after kill -9 recovery writes what truly happened."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.model.change import ChangeFilter
from interlock.runtime.config.document import load
from interlock.runtime.opening import open_configured

CONFIG = """
store: sqlite:///var/interlock.db
environments: {production: {}}
targets: {shop: {connector: toy, environment: production}}
quorums: {two-sre: {count: 2, group: sre}}
policies: policies
"""


class Process:
    """One server process and its lines."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        script = str(Path(__file__).with_name("gateway_process.py"))
        self.process = subprocess.Popen(
            [sys.executable, script, str(folder), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until(self, stream: str, key: str, value: object = None) -> dict[str, Any]:
        """The next line with that member (and value)."""
        for line in getattr(self.process, stream):
            said: dict[str, Any] = json.loads(line)
            if key in said and value in (None, said[key]):
                return said
        raise AssertionError(f"the process ended without saying {key}")

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "interlock.yaml").write_text(CONFIG)
    (tmp_path / "policies").mkdir()
    store = open_configured(load(tmp_path / "interlock.yaml"), create=True)
    asyncio.run(store.close())
    return tmp_path


@pytest.fixture
def started() -> Iterator[list[Process]]:
    found: list[Process] = []
    yield found
    for process in found:
        process.close()


def states(folder: Path) -> list[str]:
    async def read() -> list[str]:
        store = open_configured(load(folder / "interlock.yaml"))
        try:
            return [c.state.value for c in await store.read(lambda tx: tx.changes(ChangeFilter()))]
        finally:
            await store.close()

    return asyncio.run(read())


def test_sigterm_lets_what_is_committing_finish(folder: Path, started: list[Process]) -> None:
    started.append(Process(folder, "commit"))
    process = started[0]
    process.until("stdout", "waiting")
    process.process.send_signal(signal.SIGTERM)
    process.until("stderr", "event", "shutdown.begun")
    process.go()
    assert process.until("stdout", "answer")["answer"] == "Permitted"
    assert process.until("stdout", "ended", "in order")
    assert process.process.wait(30) == 0
    assert states(folder) == ["applied"]
    assert json.loads((folder / "target.json").read_text())["rows"] == {"a": "2"}


@pytest.mark.parametrize(("committed", "expected"), [(False, "failed"), (True, "applied")])
def test_kill_between_intent_and_outcome(
    folder: Path, started: list[Process], committed: bool, expected: str
) -> None:
    started.append(Process(folder, "commit"))
    started[0].until("stdout", "waiting")
    started[0].process.kill()
    started[0].process.wait(30)
    if committed:
        # As if the target had committed just before the gateway died.
        facts = json.loads((folder / "target.json").read_text())
        facts["committed"].append(str(facts["last"]))
        (folder / "target.json").write_text(json.dumps(facts))
    started.append(Process(folder))
    again = started[1]
    assert again.until("stdout", "ready")["unsettled"] == []
    recovered = again.until("stderr", "event", "change.recovered")
    assert recovered["state"] == expected
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(30) == 0
    assert states(folder) == [expected]


def test_sighup_reloads_and_a_broken_file_is_said_loudly(folder: Path, started: list[Process]) -> None:
    started.append(Process(folder))
    process = started[0]
    process.until("stdout", "ready")
    # Too young for the watcher to be sure to see it first; both ways end in the same lines.
    (folder / "policies" / "own.cedar").write_text('@id("x") forbid (principal, action, resource);')
    process.process.send_signal(signal.SIGHUP)
    assert process.until("stderr", "event", "policy.loaded")["changed"]
    (folder / "policies" / "own.cedar").write_text("nonsense")
    process.process.send_signal(signal.SIGHUP)
    broken = process.until("stderr", "event", "policy.broken")
    assert broken["level"] == "error"
    assert "own.cedar" in broken["why"]
    (folder / "interlock.yaml").write_text(CONFIG + "quorum: {}\n")
    process.process.send_signal(signal.SIGHUP)
    assert "did you mean 'quorums'" in process.until("stderr", "event", "config.broken")["why"]
    process.process.send_signal(signal.SIGTERM)
    assert process.process.wait(30) == 0


def test_a_second_server_on_the_same_state_is_refused(folder: Path, started: list[Process]) -> None:
    started.append(Process(folder))
    started[0].until("stdout", "ready")
    second = Process(folder)
    started.append(second)
    _, err = second.process.communicate(timeout=60)
    assert second.process.returncode != 0
    assert "a server is running" in err
