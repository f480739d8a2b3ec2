"""What is approved against what lies in files: the approved stays in force, whatever the files say, and what differs is said
loudly.

Replicas notice by the directory that something else was approved: policies are put in force at once, a configuration at the next
start."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from interlock.model.base import Json
from interlock.model.errors import InterlockError, Misconfigured
from interlock.runtime.config import document as configuration
from interlock.runtime.config.document import Config
from interlock.runtime.core import Core
from interlock.runtime.governing import deciding
from interlock.runtime.governing.acts import CONFIG, POLICIES
from interlock.runtime.rules.directory import Snapshot
from interlock.runtime.stores import SqlStore
from interlock.sdk.connector import Finding
from interlock.sdk.ports import ReadTx, Store, Tx

_log = structlog.get_logger(__name__)

MARKER = "governed"
"""In the state directory of a governed installation, with the origin of its log: a configuration that names another store does not
bring try-out mode back."""


async def approved_config(config: Config, store: Store) -> Config:
    """The configuration that holds for this store. Raises Misconfigured, Unavailable."""
    in_force, policies, content = await store.read(_approved)
    return deciding.in_force(config, content, policies) if in_force else config


class Files:
    """The watch over both. `refused` says of each why the files are not in force; empty while they are what was approved."""

    def __init__(self, core: Core, config: Config, origin: str) -> None:
        self._core, self._config, self._origin = core, config, origin
        known = config.approved
        self._in_use = deciding.deciding(config.source) if known is None else known.deciding
        self._adopted: Mapping[str, str] = {}
        self._stamp: object = _stamp(config.file)
        self._lock = asyncio.Lock()
        self.refused: dict[str, str] = {}
        self._other = b""
        self.restart = ""
        """Why a restart is needed; empty when it is not."""
        self.unapproved = False
        """Whether this process runs on a configuration that admins have never approved."""
        self.record_policies: Callable[[], Awaitable[None]] | None = None
        """Records that other policies are in force."""
        core.directory.on_change.append(self._noticed)

    def _noticed(self, snapshot: Snapshot) -> None:
        if snapshot.in_force != self._adopted:
            self._core.tasks.spawn(self._adopt_logged(), "adopt")

    async def _adopt_logged(self) -> None:
        try:
            await self.adopt()
        except InterlockError as error:
            _log.critical("governed.not_adopted", error=type(error).__name__, why=str(error))

    # -- taking over what is approved

    async def begin(self) -> None:
        """At the start, before anything is served. Raises Misconfigured when governed mode has vanished."""
        await self.adopt(starting=True)

    async def adopt(self, *, starting: bool = False) -> None:
        """Put in force what is approved now."""
        async with self._lock:
            await self._adopt(starting)

    async def _adopt(self, starting: bool) -> None:
        in_force, policies, config = await self._core.store.read(_approved)
        marker = self._config.state_dir / MARKER
        if not in_force:
            if starting:
                _must_not_be_governed(marker)
            elif self._adopted:
                marker.unlink(missing_ok=True)
                _log.critical("governed.ended")
                await self._use(None)
            self.refused, self.restart, self._adopted, self.unapproved = {}, "", {}, False
            self._other = b""
            return
        if not self._adopted:
            _mark(marker, self._origin)
        if in_force[POLICIES] != self._adopted.get(POLICIES):
            await self._use(policies)
        self._needs_restart(in_force[CONFIG], config, starting)
        self._adopted = in_force
        await self.compare()

    async def _use(self, policies: Mapping[str, str] | None) -> None:
        if self._core.policies.use_approved(policies) and self.record_policies is not None:
            await self.record_policies()

    def _needs_restart(self, approved: str, content: bytes, starting: bool) -> None:
        if approved == deciding.digest(self._in_use):
            self.restart, self.unapproved, self._other = "", False, b""
            return
        self._other = content
        # What was approved when this process began may go on; what never was makes it unfit.
        self.unapproved = self.unapproved or not self._adopted
        self.restart = "admins have approved another configuration than the one this process began with"
        if starting:
            raise Misconfigured(f"{self.restart}: start again")
        _log.critical("config.approved", hint="restart every replica to put it in force", approved=approved)

    def waits(self, section: str) -> bool:
        """Whether admins have approved another section of the configuration than the one this process began with."""
        return bool(self._other) and deciding.section(self._other, section) != deciding.section(
            self._in_use, section
        )

    # -- comparing with the files

    async def look(self) -> None:
        """From time to time: was something else approved, has a file been changed?"""
        if self._core.directory.snapshot.in_force != self._adopted:
            await self.adopt()
        if not self._adopted:
            return
        config, before = _stamp(self._config.file), self._stamp
        self._stamp = config
        if await asyncio.to_thread(self._core.policies.changed) or config != before:
            await self.compare()

    async def compare(self) -> None:
        """Read the files and say what differs from what is approved. Nothing of them is put in force."""
        if not self._adopted:
            return
        found = {POLICIES: self._core.policies.differs(), CONFIG: self._config_differs()}
        for what, (why, names, content) in found.items():
            if why:
                await self._refuse(what, why, names, deciding.digest(content))
            else:
                self.refused.pop(what, None)
        if self.refused:
            return
        await self._core.store.transact(_all_well)

    def _config_differs(self) -> tuple[str, list[str], bytes]:
        try:
            read = deciding.deciding(configuration.load(self._config.file).source)
        except Misconfigured as error:
            return f"the configuration cannot be read: {error}", [], b""
        if deciding.digest(read) == self._adopted[CONFIG]:
            return "", [], read
        names = [at for at, _, _ in deciding.changed_keys(self._other or self._in_use, read)]
        return (
            f"the configuration is not the approved one: {', '.join(names[:5]) or 'it differs'}",
            names,
            read,
        )

    async def _refuse(self, what: str, why: str, names: list[str], digest: str) -> None:
        if self.refused.get(what) != why:
            _log.critical("governed.refused", what=what, why=why, in_force=self._adopted[what])
        self.refused[what] = why
        body: dict[str, Json] = {
            "what": what,
            "found": digest,
            "approved": self._adopted[what],
            "differs": [name[:200] for name in names[:20]],
        }
        await self._core.store.transact(lambda tx: _record_once(tx, what, digest, body))

    # -- what is shown of it

    def findings(self) -> list[Finding]:
        """What doctor says."""
        fix = {
            POLICIES: "interlock propose policies, or put the approved files back",
            CONFIG: "interlock propose config, or put it back",
        }
        found = [
            Finding("error", f"approved-{what}", f"the approved one is in force: {why}", fix[what])
            for what, why in self.refused.items()
        ]
        if self.restart:
            found.append(Finding("warning", "approved-config", self.restart, "restart this replica"))
        return found

    @property
    def problems(self) -> dict[str, str]:
        """Why files are refused, or a restart is needed; by what it is about."""
        both = [why for why in (self.restart, self.refused.get(CONFIG, "")) if why]
        return {**self.refused, **({CONFIG: "; ".join(both)} if both else {})}


def _approved(tx: ReadTx) -> tuple[dict[str, str], dict[str, str], bytes]:
    """What is in force by digests, the texts of the policies, and the configuration."""
    texts = msgspec.json.decode(tx.in_force_content(POLICIES) or b"{}", type=dict[str, str])
    return dict(tx.in_force()), texts, tx.in_force_content(CONFIG) or b""


def _must_not_be_governed(marker: Path) -> None:
    if marker.exists():
        what = (
            "this installation was governed, and its store says it is not: is it another store than before?"
        )
        raise Misconfigured(f"{what} If admins have ended governed mode, remove {marker}")


def _mark(marker: Path, origin: str) -> None:
    try:
        if not marker.exists():
            marker.write_text(origin + "\n", "utf-8")
            marker.chmod(0o600)
            return
        before = marker.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"state_dir: {marker} cannot be used ({type(error).__name__})") from None
    if before != origin:
        raise Misconfigured(
            f"the store is that of the log {origin}; this installation is governed in {before} ({marker})"
        )


def mark(folder: Path, store: SqlStore) -> None:
    """Note in the state directory that the installation is governed. Raises Misconfigured."""
    _mark(folder / MARKER, store.origin)


def _record_once(tx: Tx, what: str, digest: str, body: Mapping[str, Json]) -> None:
    key = f"recorded.unapproved.{what}"
    if tx.meta(key) != digest:
        tx.append("unapproved", body)
        tx.put_meta(key, digest)


def _all_well(tx: Tx) -> None:
    for what in (POLICIES, CONFIG):
        key = f"recorded.unapproved.{what}"
        if tx.meta(key):
            tx.put_meta(key, "")


def _stamp(file: Path) -> Any:
    try:
        stat = file.stat()
    except OSError as error:
        return error.errno
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
