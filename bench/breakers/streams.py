"""``python -m bench.breakers.streams FOLDER``: signals over recorded changes of others.

Reads every CloudTrail file (`{"Records": […]}`) and Kubernetes audit log (a JSON event a line, or an `EventList`) below a folder,
also compressed with gzip, and judges each writing call as one of an agent whom nobody approved anything: one agent for each
identity. Records tell neither the groups of AWS nor how large a group was: those signals are silent. Nothing is stored, and
nothing of the records is shown but names of identities and of calls. The records are yours, or somebody's with a licence: they
are not part of this project.
"""

import argparse
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from interlock.control.signals import judge
from interlock.control.signals.seen import Seen
from interlock.control.signals.thresholds import SHIPPED, Thresholds
from interlock.model.signal import Outcome, Result, Track

DELETES = (
    "Delete",
    "Terminate",
    "Deregister",
    "Purge",
    "Release",
    "Destroy",
    "LeaveOrganization",
    "ScheduleKeyDeletion",
)
WEAKENS = ("Detach", "Disassociate", "Revoke", "Remove", "Disable", "Stop", "Cancel", "Reject")
MAKES = ("Create", "Run", "Allocate", "Register", "Import", "Restore")
GUARDS = (
    "iam",
    "cloudtrail",
    "guardduty",
    "config",
    "backup",
    "organizations",
    "sts",
    "kms",
    "rolesanywhere",
)
GUARD_WORDS = ("FlowLog", "QueryLog", "Backup", "Replication")
"""Services of rights, audit and backup: all that writes there is `admin` to Interlock."""
STATEFUL = {
    "dbinstance",
    "dbcluster",
    "bucket",
    "table",
    "volume",
    "filesystem",
    "secret",
    "parameter",
    "snapshot",
}
K8S_STATEFUL = {"persistentvolumeclaims", "persistentvolumes", "statefulsets", "namespaces", "secrets"}
K8S_GUARDS = {
    "roles",
    "clusterroles",
    "rolebindings",
    "clusterrolebindings",
    "validatingwebhookconfigurations",
}
OWN_WORK = ("system:",)
"""Identities of Kubernetes' own machinery, which reconciles: no agent's work."""


@dataclass(frozen=True)
class Call:
    """One recorded writing call: what signals see of it, and how it ended (None: nobody's fault)."""

    unit: Seen
    result: Result | None


@dataclass
class Told:
    """What became of one identity."""

    calls: int = 0
    destructive: int = 0
    first: tuple[str, int, int, str] | None = None
    signals: Counter[str] = field(default_factory=Counter)


def judged(calls: list[Call], limits: Thresholds = SHIPPED) -> Told:
    """All calls of one identity in order. What trips first, after how many calls, and how many of them destructive."""
    told, track = Told(), Track()
    for call in sorted(calls, key=lambda c: c.unit.at):
        unit = call.unit
        found = judge.starting(track, unit, limits, asks=False)
        openings = list(found.openings)
        track = found.track
        if call.result in (Result.FAILED, Result.EXCUSED):
            outcome = Outcome(unit.at, unit.session, unit.key, call.result, unit.what)
            ended = judge.ended(track, outcome, limits)
            openings, track = [*openings, *ended.openings], ended.track
        for opening in openings:
            told.signals[opening.signal.value] += 1
            if told.first is None:
                told.first = (opening.signal.value, told.calls, told.destructive, unit.what)
        told.calls += 1
        told.destructive += unit.destructive
        if openings:
            track = judge.forgiven(track)  # as if a person put it back, to see what comes then
    return told


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Every event below a folder. Files that hold none are passed over."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode(errors="replace")
        yield from _events(text)


def _events(text: str) -> Iterator[dict[str, Any]]:
    try:
        whole = json.loads(text)
    except ValueError:
        for line in text.splitlines():
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found
        return
    items = whole if isinstance(whole, list) else whole.get("Records", whole.get("items", [whole]))
    yield from (one for one in items if isinstance(one, dict))


def call_of(event: Mapping[str, Any], *, machinery: bool = False) -> tuple[str, Call] | None:
    """An identity and its call; None for what is neither, or only reads. `machinery` takes Kubernetes' own work in."""
    if "eventName" in event and "eventSource" in event:
        return _cloudtrail(event)
    if event.get("stage") == "ResponseComplete" and "verb" in event and "objectRef" in event:
        return _kubernetes(event, machinery)
    return None


def _cloudtrail(event: Mapping[str, Any]) -> tuple[str, Call] | None:
    if event.get("readOnly") in (True, "true") or event.get("eventType") != "AwsApiCall":
        return None
    who = event.get("userIdentity", {})
    if who.get("type") == "AWSService":
        return None
    service, verb = event["eventSource"].partition(".")[0], event["eventName"].partition("20")[0]
    kind, name = _kind(verb), _name(event.get("requestParameters"))
    thing = f"{event.get('awsRegion', '')}/{service}:{kind} {name}"
    gone, back = verb.startswith(DELETES), verb.startswith(MAKES)
    bad = gone or verb.startswith(WEAKENS)
    unit = _seen(
        who.get("arn") or "unknown", who.get("accessKeyId") or "", event["eventTime"], f"{service}:{verb}", f"{verb} {thing}",
        destructive=bad, subjects=(f"{'deleted' if gone else 'weakened'} {service}:{kind}",) if bad else (),
        deleted=(thing,) if gone and name else (), created=(thing,) if back and name else (),
        stateful=(thing,) if kind.lower() in STATEFUL else (),
        guard=f"{service}:{verb}" if service in GUARDS or any(word in verb for word in GUARD_WORDS) else "",
    )  # fmt: skip
    return unit.agent, Call(unit, _result(str(event.get("errorCode") or "")))


def _kind(verb: str) -> str:
    for prefix in (*DELETES, *WEAKENS, *MAKES, "Put", "Update", "Modify", "Attach", "Associate"):
        if verb.startswith(prefix) and verb != prefix:
            return verb.removeprefix(prefix)
    return verb


def _name(parameters: Any) -> str:
    """What a call names: its own name or id where there is one."""
    if not isinstance(parameters, dict):
        return ""
    texts = {k: v for k, v in parameters.items() if isinstance(v, str)}
    named = [v for k, v in texts.items() if k.lower().endswith(("name", "id", "arn", "identifier"))]
    return (named or list(texts.values()) or [""])[0]


def _result(code: str) -> Result | None:
    if not code:
        return Result.OK
    low = code.lower()
    if any(word in low for word in ("throttl", "toomany", "unavailable", "internal", "timeout", "slowdown")):
        return None
    if any(word in low for word in ("notfound", "nosuch", "exists", "conflict", "duplicate")):
        return Result.EXCUSED
    return Result.FAILED


def _kubernetes(event: Mapping[str, Any], machinery: bool) -> tuple[str, Call] | None:
    verb, about, who = event["verb"], event["objectRef"], event.get("user", {}).get("username", "")
    if verb not in ("create", "update", "patch", "delete", "deletecollection"):
        return None
    if who.startswith(OWN_WORK) and not machinery:
        return None
    kind, space = about.get("resource", ""), about.get("namespace", "")
    if kind in ("events", "leases", "tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews"):
        return None
    thing, gone = f"{space}/{kind} {about.get('name', '')}", verb.startswith("delete")
    groups = (f"cluster/{space}",) if space else ()
    code = event.get("responseStatus", {}).get("code", 200)
    result = (
        Result.OK
        if code < 400
        else Result.EXCUSED
        if code in (404, 409)
        else None
        if code >= 429
        else Result.FAILED
    )
    unit = _seen(
        who, event.get("userAgent", ""), event["requestReceivedTimestamp"], f"{verb} {kind}", f"{verb} {thing}",
        destructive=gone, subjects=(f"deleted {kind}", *(f"group {g}" for g in groups)) if gone else (),
        deleted_in=groups if gone else (), written_in=groups, deleted=(thing,) if gone else (),
        created=(thing,) if verb == "create" else (), stateful=(thing,) if kind in K8S_STATEFUL else (),
        guard=f"{verb} {kind}" if kind in K8S_GUARDS else "",
    )  # fmt: skip
    return who, Call(unit, result)


def _seen(agent: str, session: str, at: str, what: str, key: str, **more: Any) -> Seen:
    when = datetime.fromisoformat(at)
    return Seen(when, agent, session or agent, "recorded", "recorded", what, key, **more)


def main() -> int:
    """Read, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.breakers.streams", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--without-guard", action="store_true", help="what else would trip, were rights and audit approved"
    )
    parser.add_argument("--machinery", action="store_true", help="Kubernetes' own identities as well")
    wanted = parser.parse_args()
    identities: dict[str, list[Call]] = {}
    events = 0
    for event in read(wanted.folder):
        events += 1
        found = call_of(event, machinery=wanted.machinery)
        if found is not None:
            identities.setdefault(found[0], []).append(found[1])
    sys.stdout.write(f"{events:,} events, {sum(map(len, identities.values())):,} writing calls.\n\n")
    sys.stdout.write(
        "| identity | calls | destructive | first trip | after calls | after destructive | at | signals |\n"
    )
    sys.stdout.write("|---|---|---|---|---|---|---|---|\n")
    for name, calls in sorted(identities.items(), key=lambda item: -len(item[1])):
        told = judged(calls, Thresholds(guard=False) if wanted.without_guard else SHIPPED)
        trip = told.first or ("–", "", "", "")
        signals = ", ".join(f"{signal} {count}" for signal, count in told.signals.most_common())
        cells = (name.rpartition("/")[2], told.calls, told.destructive, *trip, signals)
        sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
