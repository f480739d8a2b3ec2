"""The before-image of a revert. Each step of an inverse is a call of the gateway's own, with a before-image like any other call:
together they say whether, and how, the revert itself can be undone.

What a step is about may be known only when an earlier one was answered (the id of what is made again). What lies in a thing that
the same inverse makes needs no before-image of its own: with the thing it goes.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import Call, CallFailed, Calls, Classified
from interlock.connectors.aws.classify.naming import plain
from interlock.connectors.aws.undo import listing
from interlock.connectors.aws.undo.listing import Absent, Moment
from interlock.connectors.aws.undo.names import SECRET, fill, pick
from interlock.connectors.aws.undo.plan import literal
from interlock.connectors.aws.undo.steps import beside
from interlock.model.base import Value
from interlock.model.operation import Action, Resource

MOST_STEPS = 2_000
"""Steps of a revert whose before-images are taken. Of more, nothing is promised."""

Classify: TypeAlias = Callable[[Call], Classified]

_MAKES = re.compile(r"(?:create|restore|run|register|allocate|import|copy)(.+)")
_WRITES = (("s3", "CopyObject"), ("s3", "PutObject"), ("s3", "CompleteMultipartUpload"))
_TAKES_AWAY = ("Delete", "Terminate", "Deregister", "Release")
_WORST = ("full", "copy", "new_id", "none")


class Image(Value, frozen=True):
    """`plans` are those of the steps, in their order. `inverse` is the inverse as it is to be run, so that `back` finds what the
    plans need of its answers. `reason` says why the revert cannot be undone: then there are no plans."""

    inverse: undo.Plan
    plans: tuple[undo.Plan, ...] = ()
    reason: str = ""

    def told(self, place: int, ran: Mapping[str, Any]) -> dict[str, Any]:
        """The names that a run of the inverse saved, with those of one plan as that plan calls them."""
        own = f"back{place}_"
        mine = {name.removeprefix(own): value for name, value in ran.items() if name.startswith(own)}
        return {**ran, **mine}


class _Seen(Value, frozen=True):
    """One step: what it is, whether its parameters have a name that isn't known yet, and its own before-image (None when it
    reads)."""

    what: Classified
    open: bool
    plan: undo.Plan | None


class Known(dict[str, Any]):
    """Names that something was saved under; another one is filled in with a mark, by which it is found again."""

    def __init__(self, saved: Mapping[str, Any], nonce: str) -> None:
        super().__init__(saved)
        self.begin = f"unknown-{nonce}-"
        self._mark = re.compile(re.escape(self.begin) + "([A-Za-z0-9_]+)--")

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return f"{self.begin}{name}--"

    def marked(self, value: Any) -> bool:
        """Whether a mark is anywhere in a value."""
        if isinstance(value, Mapping):
            return any(self.marked(item) for item in value.values())
        if isinstance(value, list | tuple):
            return any(self.marked(item) for item in value)
        return isinstance(value, str) and self.begin in value

    def unmarked(self, value: Any) -> Any:
        """The value with names in place of marks."""
        if isinstance(value, str):
            return self._mark.sub(r"${\1}", value)
        if isinstance(value, msgspec.Struct):
            members = {name: self.unmarked(getattr(value, name)) for name in value.__struct_fields__}
            return type(value)(**members)
        if isinstance(value, Mapping):
            return {name: self.unmarked(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.unmarked(item) for item in value)
        return value


async def image_of(
    plan: undo.Plan, completed: undo.Completed, calls: Calls, classified: Classify, nonce: Callable[[], str]
) -> Image:
    """The before-image of running a plan's inverse now. Only asks. Raises Unavailable."""
    if len(plan.inverse) > MOST_STEPS:
        return Image(plan, reason=f"it makes more than {MOST_STEPS:,} calls")
    known = Known(completed.saved, nonce())
    calls = Moment(calls, await _absent(plan.inverse, calls, known))
    await _read_ahead(plan.inverse, calls, classified, known)
    seen = await beside(_look(step, calls, classified, known, nonce()) for step in plan.inverse)
    for place, one in enumerate(seen):
        if why := _missing(one, seen[:place], known):
            return Image(plan, reason=f"of {one.what.call.name}, which it makes: {why}")
    return _image(plan, seen, known)


async def _read_ahead(steps: Sequence[undo.Step], calls: Calls, classified: Classify, known: Known) -> None:
    """Names that the first steps find out by reading are known beforehand. Secret ones stay unknown: plans are stored."""
    for step in steps:
        what = classified(_call(step, calls, known))
        if not _reads(what) or any(name.startswith(SECRET) for name in step.saves):
            return
        if step.saves and not known.marked(what.call.parameters):
            known.update(await _found(step, what, calls))


async def _found(step: undo.Step, what: Classified, calls: Calls) -> dict[str, Any]:
    try:
        answer = await calls.ask(step.service, step.operation, what.call.parameters, region=what.call.region)
    except CallFailed:
        return {}
    return pick(answer, step.saves)


async def _absent(steps: Sequence[undo.Step], calls: Calls, known: Known) -> Collection[Absent]:
    """Objects that the steps would write and that are not there, as far as a listing tells. Raises Unavailable."""
    keys: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        if (step.service, step.operation) in _WRITES:
            call = _call(step, calls, known)
            keys.setdefault((call.region, call.parameters["Bucket"]), []).append(call.parameters["Key"])
    found: set[Absent] = set()
    for (region, bucket), wanted in keys.items():
        etags = await listing.etags(calls, bucket, wanted, region)
        found |= {Absent(region, bucket, key) for key, etag in etags.items() if etag is None}
    return found


def _call(step: undo.Step, calls: Calls, known: Known) -> Call:
    parameters = fill(step.parameters, known)
    return Call(step.service, step.operation, step.region or calls.region, calls.account, parameters)


async def _look(step: undo.Step, calls: Calls, classified: Classify, known: Known, nonce: str) -> _Seen:
    what = classified(_call(step, calls, known))
    unclear = known.marked(what.call.parameters)
    return _Seen(what, unclear, None if _reads(what) else await undo.plan(what, calls, nonce))


def _reads(what: Classified) -> bool:
    """Whether it reads only; reading a secret counts as more elsewhere."""
    action = what.operation.action
    return action is Action.READ or (what.discloses and what.level in ("Read", "List"))


def _missing(one: _Seen, before: Sequence[_Seen], known: Known) -> str:
    """Why one step cannot be undone; empty when it can, or needs not."""
    plan = one.plan
    if plan is None:
        return ""
    why = plan.reason if plan.kind == "none" else _doubt(one, plan, known)
    return why if why and not _inside(one.what, before, known) else ""


def _doubt(one: _Seen, plan: undo.Plan, known: Known) -> str:
    if one.open and not plan.inverse:
        return "what it is about is known only then"
    secret = known.begin + SECRET
    return "it needs a secret that is not kept" if secret in str((plan.prepare, plan.inverse)) else ""


def _inside(what: Classified, before: Sequence[_Seen], known: Known) -> bool:
    """Whether all that a step is about lies in what earlier ones make."""
    if any(map(_has_new_id, before)) and _about_new(what, known):
        return True
    made = [resource for one in before for resource in _made(one)]
    resources = what.operation.resources
    return bool(made) and bool(resources) and all(_lies_in(resource, made) for resource in resources)


def _lies_in(resource: Resource, made: Sequence[Resource]) -> bool:
    return any(
        resource.name == m.name or resource.name.startswith((m.name + "/", m.name + ":")) for m in made
    )


def _about_new(what: Classified, known: Known) -> bool:
    """Whether it names nothing but by ids that are not known yet."""
    named = [value for value in what.call.parameters.values() if isinstance(value, str)]
    lists = [value for value in what.call.parameters.values() if isinstance(value, list)]
    texts = named or [item for value in lists for item in value if isinstance(item, str)]
    return bool(texts) and all(map(known.marked, texts))


def _has_new_id(one: _Seen) -> bool:
    """Whether a step makes something whose id is known from its answer, and its plan takes that away again."""
    plan, makes = one.plan, _MAKES.fullmatch(plain(one.what.call.operation))
    if plan is None or makes is None or plan.kind == "none" or not plan.saves:
        return False
    return any(step.operation.startswith(_TAKES_AWAY) for step in plan.inverse)


def _made(one: _Seen) -> list[Resource]:
    """What a step makes by a name of ours, and its plan takes away again: `CreateTable` a table, but `CreateTags` nothing."""
    noun = _MAKES.fullmatch(plain(one.what.call.operation))
    if noun is None or one.plan is None or one.plan.kind == "none":
        return []
    if not any(step.operation.startswith(_TAKES_AWAY) for step in one.plan.inverse):
        return []
    return [r for r in one.what.operation.resources if _names(noun[1], plain(r.kind.partition(":")[2]))]


def _names(noun: str, kind: str) -> bool:
    return re.fullmatch(re.escape(kind) + r"(?:instance)?s?(?:from.*|to.*)?", noun) is not None


def _image(plan: undo.Plan, seen: Sequence[_Seen], known: Known) -> Image:
    steps = list(plan.inverse)
    plans: list[undo.Plan] = []
    for place, one in enumerate(seen):
        if one.plan is None or one.plan.kind == "none" or _doubt(one, one.plan, known):
            continue  # it reads, or lies in what another step makes
        own = f"back{len(plans)}_"
        saves = {own + name: path for name, path in one.plan.saves.items() if not name.startswith(SECRET)}
        step = steps[place]
        steps[place] = msgspec.structs.replace(
            step,
            saves={**step.saves, **saves},
            parameters={**step.parameters, **literal(one.plan.replaces_call)},
        )
        plans.append(msgspec.structs.replace(known.unmarked(one.plan), replaces_call={}))
    return Image(msgspec.structs.replace(plan, inverse=tuple(steps)), tuple(plans))


def together(images: Sequence[Image]) -> undo.Plan:
    """What all of it comes to, for effects: the worst kind, what is lost, and what people must read."""
    plans = [plan for image in images for plan in image.plans]
    reason = next((image.reason for image in images if image.reason), "")
    kind = "none" if reason else max((plan.kind for plan in plans), key=_WORST.index, default="full")
    caveats = tuple(dict.fromkeys(caveat for plan in plans for caveat in plan.caveats))
    lost = {name: why for plan in plans for name, why in plan.lost.items()}
    return undo.Plan(kind, lost=lost, caveats=caveats, reason=reason)
