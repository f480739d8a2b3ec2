"""A fleet of replicas, each a process, on one store; and what the store itself says about the order of things."""

import asyncio
import base64
import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from interlock.model.change import Change, ChangeFilter
from interlock.runtime.config.document import load
from interlock.runtime.crypto import MasterKey
from interlock.runtime.opening import open_configured
from interlock.runtime.stores import SqlStore, open_store

AGENTS = [f"bot-{n}" for n in range(6)]
PLENTY = {"rows_created": 10**9, "rows_updated": 10**9, "rows_deleted": 10**9, "objects": 10**9}
AMPLE = dict.fromkeys(("session", "agent", "owner", "table"), PLENTY)
"""Budgets that are counted and never used up."""
QUICK = {"stale": 2.0, "lock_timeout": 1.0, "patience": 4.0}
"""Times of a replica that is to notice soon that something is wrong."""

PATIENCE_S = 90.0
"""How long (seconds) a test waits for a replica."""


class Answered(Exception):
    """A replica refused what it was told to do."""


class Replica:
    """One process. `tell` and `hear` are the halves of `ask`, for several replicas at once."""

    def __init__(self, folder: Path, name: str, options: Mapping[str, float], prefix: Sequence[str]) -> None:
        script = str(Path(__file__).with_name("replica.py"))
        self.name = name
        self._log = (folder / name / "log").open("w")
        self._process = subprocess.Popen(
            [*prefix, sys.executable, script, str(folder), name, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def tell(self, do: str, **given: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **given}) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """Raises Answered. A replica that does not answer is killed: whatever else is asked of it fails at once."""
        assert self._process.stdout is not None
        hung = threading.Timer(PATIENCE_S, self._process.kill)
        hung.start()
        try:
            line = self._process.stdout.readline()
        finally:
            hung.cancel()
        assert line, f"{self.name} has ended: {Path(self._log.name).read_text()[-3000:]}"
        said = json.loads(line)
        if said["error"]:
            raise Answered(said["error"])
        return said["answer"]

    def ask(self, do: str, **given: Any) -> Any:
        """Tell and hear. Raises Answered."""
        self.tell(do, **given)
        return self.hear()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()


def all_ask(replicas: Sequence[Replica], do: str, **given: Any) -> list[Any]:
    """Of all at the same time."""
    for replica in replicas:
        replica.tell(do, **given)
    return [replica.hear() for replica in replicas]


class Fleet:
    """The replicas of one installation. `url` is where the test itself reaches the store."""

    def __init__(self, folder: Path, url: str, budgets: Mapping[str, Any] = AMPLE) -> None:
        self.folder, self.url, self._budgets = folder, url, budgets
        self.replicas: list[Replica] = []
        self._key = secrets.token_bytes(32)
        key = folder / "master.key"
        key.touch(mode=0o600)
        key.write_text(base64.b64encode(self._key).decode())
        asyncio.run(open_configured(load(self._configured("made", url)), create=True).close())

    def _configured(self, name: str, url: str) -> Path:
        (self.folder / name).mkdir()
        config = {
            "store": url,
            "state_dir": "var",
            "master_key": {"file": str(self.folder / "master.key")},
            "environments": {"production": {"protection": "strict"}},
            "targets": {
                "shop": {
                    "connector": "toy",
                    "environment": "production",
                    "rows": {f"row/{n}": "old" for n in range(300)},
                }
            },
            "quorums": {"two-sre": {"count": 2, "group": "sre"}},
            "budgets": {scope: dict(amounts) for scope, amounts in self._budgets.items()},
        }
        file = self.folder / name / "interlock.yaml"
        file.write_text(yaml.safe_dump(config))
        (self.folder / name / "var").mkdir(mode=0o700)
        return file

    def start(
        self,
        name: str,
        *,
        url: str = "",
        prefix: Sequence[str] = (),
        options: Mapping[str, float] = MappingProxyType({}),
    ) -> Replica:
        """One more replica; the first one makes people, agents and grants."""
        self._configured(name, url or self.url)
        replica = Replica(self.folder, name, dict(options), prefix)
        self.replicas.append(replica)
        if len(self.replicas) == 1:
            replica.ask("furnish", names=AGENTS)
        return replica

    def close(self) -> None:
        for replica in self.replicas:
            replica.close()

    # -- what happened

    def committed(self) -> list[str]:
        """The target's transactions that committed, in order, over all replicas."""
        file = self.folder / "committed"
        return file.read_text().split() if file.exists() else []

    def entries(self) -> list[dict[str, Any]]:
        """The ledger, which must be sound."""

        async def read(store: SqlStore) -> list[dict[str, Any]]:
            report = await store.verify()
            assert report.ok, report.findings
            return [json.loads(data) for data in await store.entries(0, 1 << 20)]

        found: list[dict[str, Any]] = self._with_store(read)
        return found

    def changes(self) -> list[Change]:
        """Up to a thousand, newest first."""
        return list(self._with_store(lambda s: s.read(lambda tx: tx.changes(ChangeFilter(limit=1000)))))

    def unsettled(self) -> list[Change]:
        """Changes that recovery has still to look at."""
        return list(self._with_store(lambda s: s.read(lambda tx: tx.changes_in_doubt())))

    def breaker(self, scope: str) -> str:
        """The state of a breaker as the store has it."""
        found = self._with_store(lambda s: s.read(lambda tx: tx.breaker(scope)))
        return "missing" if found is None else found.state.value

    def _with_store(self, work: Any) -> Any:
        async def run() -> Any:
            store = open_store(self.url, MasterKey(self._key))
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def end(self) -> list[dict[str, Any]]:
        """End the floods, and check what must hold whatever has happened; the ledger's entries.

        Nobody was told that something took effect that did not, nothing took effect without its intent (P1), nothing was admitted
        while a breaker on its way was open (P8), and each record says at the end what the target says."""
        counts = [r.ask("end") or r.ask("count") for r in self.replicas]
        committed = self.committed()
        assert len(set(committed)) == len(committed)
        told = [xid for count in counts for xid in count["applied"]]
        assert set(told) <= set(committed), "told that it took effect, and it did not"
        while self.unsettled():
            all_ask(self.replicas, "count")  # recovery is at work
        entries = self.entries()
        intents = {e["body"]["marker"]["xid"]: e["body"]["change"] for e in entries if e["kind"] == "intent"}
        assert set(committed) <= set(intents), "took effect without an intent"
        ended = {
            e["body"]["change"]: e["body"]["state"] for e in entries if e["kind"] in ("outcome", "recovery")
        }
        wrong = {xid: ended[c] for xid, c in intents.items() if (ended[c] == "applied") != (xid in committed)}
        assert not wrong
        assert not admitted_while_open(entries)
        return entries


def admitted_while_open(entries: Sequence[Mapping[str, Any]]) -> list[int]:
    """Numbers of the intents that stand in the ledger between the opening of a breaker on their way and its next move. Entries
    are in the order in which their transactions committed: each holds the log's lock to its end."""
    closed_to: set[str] = set()
    found = []
    for number, entry in enumerate(entries):
        body = entry["body"]
        if entry["kind"] in ("breaker", "freeze", "thaw"):
            stops = body["state"] == "open" or body["frozen"]
            (closed_to.add if stops else closed_to.discard)(body["scope"])
        elif entry["kind"] == "intent" and closed_to & scopes_of(body):
            found.append(number)
    return found


def scopes_of(intent: Mapping[str, Any]) -> set[str]:
    """The breakers on the way of an intent, told from its entry alone."""
    named = ("environment", "target", "agent", "session")
    return {"global", *(f"{kind}/{intent[kind]}" for kind in named)}


def once(replica: Replica, agent: str) -> str:
    """The answer to one change, as soon as the store is up to it."""
    while True:
        with suppress(Answered):
            answer: str = replica.ask("once", agent=agent)
            if answer != "unavailable":
                return answer


def trip(replica: Replica, scope: str) -> None:
    """Open a breaker, as a person does it who is not content with "the store does not answer"."""
    while True:
        with suppress(Answered):
            replica.ask("open", scope=scope)
            return


def put_back(fleet: Fleet, replica: Replica, scope: str) -> None:
    """Until the breaker is closed again, one step after the other, however often the store does not answer. That twenty must have
    ended well first is another test's matter (`tests/pipeline/test_trips_and_people.py`)."""
    while True:
        try:
            if replica.ask("reset", scope=scope) == "closed":
                return
            replica.ask("behaved", scope=scope)
        except Answered:
            if fleet.breaker(scope) == "closed":
                return
            with suppress(Answered):
                replica.ask("behaved", scope=scope)


@contextmanager
def fleet_of(folder: Path, url: str, **options: Any) -> Iterator[Fleet]:
    folder.mkdir(exist_ok=True)
    fleet = Fleet(folder, url, **options)
    try:
        yield fleet
    finally:
        fleet.close()
