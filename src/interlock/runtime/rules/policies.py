"""The rules in force: shipped guardrails, the policy directory, and the grants. A broken file keeps the last good set, loudly."""

from collections.abc import Mapping
from pathlib import Path

import structlog

from interlock.model.base import Json, canonical
from interlock.model.errors import Misconfigured
from interlock.model.people import Quorum
from interlock.policy.engine import Engine
from interlock.policy.limits import Limits
from interlock.policy.load import SUFFIX
from interlock.runtime.rules.directory import Snapshot

MAX_FILE = 1 << 20
"""Most bytes of one policy file."""

_log = structlog.get_logger(__name__)


def read_texts(folder: Path | None) -> dict[str, str]:
    """The policy files of a folder by name. Raises Misconfigured when one cannot be read."""
    if folder is None:
        return {}
    try:
        return {path.name: _read(path) for path in sorted(folder.iterdir()) if path.name.endswith(SUFFIX)}
    except FileNotFoundError:
        raise Misconfigured(f"policies: there is no folder {folder}") from None
    except OSError as error:
        raise Misconfigured(f"policies: {folder} cannot be read: {error.strerror}") from None


def _read(path: Path) -> str:
    data = path.read_bytes()
    if len(data) > MAX_FILE:
        raise Misconfigured(f"policies: {path.name} is larger than {MAX_FILE} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Misconfigured(f"policies: {path.name} is not UTF-8") from None


class Policies:
    """Holds the engine in force. `generation` grows whenever it is replaced; `broken` says why the newest
    files are not in force."""

    def __init__(
        self,
        folder: Path | None,
        *,
        quorums: Mapping[str, Quorum],
        fragments: Mapping[str, str],
        guardrails: str = "default",
        limits: Limits | None = None,
        approved: Mapping[str, str] | None = None,
    ) -> None:
        """`approved` are the rules that hold in governed mode, whatever the folder holds. Raises Misconfigured: at the start
        there is no last good set."""
        self._folder, self._approved = folder, approved
        self._texts = read_texts(folder) if approved is None else dict(approved)
        self._seen = _stamp(folder)
        self._fragments = fragments
        self._rights: object = None
        self.engine = Engine.load(
            limits=limits,
            quorums=quorums.values(),
            extra_texts=self._texts,
            guardrails=guardrails,
            fragments=fragments,
        )
        self.generation = 0
        self.broken = ""

    def use_rights(self, snapshot: Snapshot) -> None:
        """Take the grants of a new snapshot; rules stay. Other changes of the snapshot cost nothing."""
        rights = (snapshot.grants, snapshot.agents)
        if rights == self._rights:
            return
        self._rights = rights
        self._replace(self.engine.with_grants(snapshot.grants, snapshot.agents.values()))
        for grant, why in self.engine.rejected_grants:
            _log.error("policy.grant_rejected", grant=grant, why=why)

    def changed(self) -> bool:
        """Whether a file was changed, added or removed since this was asked last."""
        stamp = _stamp(self._folder)
        before, self._seen = self._seen, stamp
        return stamp != before

    def use_approved(self, texts: Mapping[str, str] | None) -> bool:
        """Governed mode: from now on the rules are these, whatever the folder holds; None: those of the folder again. Returns
        whether the rules are others now."""
        self._approved = texts
        return self.reload()

    def differs(self) -> tuple[str, list[str], bytes]:
        """How the folder differs from what is approved: why, the names of the files, and all that the folder holds. The first is
        empty when it does not."""
        approved = self._approved or {}
        try:
            found = read_texts(self._folder)
        except Misconfigured as error:
            return str(error), [], b""
        names = sorted(n for n in {*found, *approved} if found.get(n) != approved.get(n))
        why = f"the policy files are not the approved ones: {', '.join(names[:5])}" if names else ""
        return why, names, canonical(found)

    def candidate(self, texts: Mapping[str, str]) -> Engine:
        """The engine that other policy files would make. Raises Misconfigured."""
        return self.engine.with_texts(texts)

    def candidate_of(self, quorums: Mapping[str, Quorum], guardrails: str, limits: Limits) -> Engine:
        """The engine that another configuration would make of the rules in force. Raises Misconfigured."""
        return Engine.load(
            limits=limits,
            quorums=quorums.values(),
            extra_texts=self._texts,
            guardrails=guardrails,
            fragments=self._fragments,
        )

    def reload(self) -> bool:
        """Read the rules again: the approved ones in governed mode, else the folder. What cannot be loaded leaves the rules as
        they are, and is said in `broken` and in the log."""
        try:
            texts = read_texts(self._folder) if self._approved is None else dict(self._approved)
            engine = self.engine.with_texts(texts)
        except Misconfigured as error:
            self.broken = str(error)
            _log.error("policy.broken", why=self.broken, in_force=self.engine.digest)
            return False
        self.broken = ""
        changed = engine.digest != self.engine.digest
        self._texts = texts
        self._replace(engine)
        _log.info("policy.loaded", files=len(texts), digest=engine.digest, changed=changed)
        return changed

    def entry(self) -> dict[str, Json]:
        """The body of a ledger entry `policy`."""
        return {
            "digest": self.engine.digest,
            "files": sorted(self._texts),
            "policies": len(self.engine.policies),
        }

    def _replace(self, engine: Engine) -> None:
        self.engine = engine
        self.generation += 1


def _stamp(folder: Path | None) -> object:
    """What changes when a file does. A folder that cannot be read has a stamp of its own, and is reported when it is read."""
    if folder is None:
        return None
    try:
        found = [(p.name, p.stat()) for p in sorted(folder.iterdir()) if p.name.endswith(SUFFIX)]
    except OSError as error:
        return error.errno
    return [(name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in found]
