"""Compares what a call sets with what is set, member by member, by reviewed rules. A member without a rule weakens: doubt means
no."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from interlock.connectors.aws.preview.found import Effects, absent, thing
from interlock.connectors.aws.preview.rows import Describer
from interlock.connectors.aws.preview.survey import Survey, fields, plain
from interlock.model.base import Value, canonical
from interlock.model.effect import ChangeKind
from interlock.model.operation import Resource


class Rule(Value, frozen=True):
    """How a change of one member is judged. `member` is a path into the parameters; `present` one into the answer of the reading
    call (the same one when empty). Judges:

    `setting` harmless; `lower` weakens when it becomes less, `higher` when it becomes more; `off` when it is switched off;
    `opens` is a permission when it is switched on; `weakens`, `permission`, `replication` by any change; `drops` weakens when
    something is taken away; `names` the same for a map of which only the names are shown; `hides` isn't shown and is a setting;
    `unreviewed` isn't shown (it may be a secret) and weakens; `secret` isn't shown and is a permission; `ignored` is nothing (it
    names the resource, or someone else looks at it)."""

    member: str
    judge: str
    label: str = ""
    present: str = ""

    @property
    def name(self) -> str:
        return self.label or self.member


def at(value: Any, path: str) -> Any:
    """What is at a dotted path (numbers are places in lists, `*` is all of a list); None when there is nothing."""
    steps = path.split(".") if path else []
    for place, step in enumerate(steps):
        if step == "*":
            rest = ".".join(steps[place + 1 :])
            return [at(one, rest) for one in value] if isinstance(value, list | tuple) else None
        value = _step(value, step)
    return value


def _step(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list | tuple) and step.isdigit():
        return value[int(step)] if int(step) < len(value) else None
    return None


def same(before: Any, after: Any) -> bool:
    """Whether nothing changes: a service shows more members than a call gives, and lists of names in any order."""
    if before in _EMPTY and after in _EMPTY:
        return True
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return all(same(before.get(name), value) for name, value in after.items())
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        if all(isinstance(one, str) for one in (*before, *after)):
            return sorted(before) == sorted(after)
        return len(before) == len(after) and all(map(same, before, after))
    return canonical(plain(before)) == canonical(plain(after))


_EMPTY: tuple[Any, ...] = (None, "", [], (), {})


def _number(value: Any) -> float:
    """Less than nothing is what services call without an end."""
    whole = isinstance(value, int | float) or str(value).lstrip("-").isdigit()
    given = float(value) if whole else 0
    return given if given >= 0 else sys.maxsize


def _on(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() in ("true", "enabled", "on"))


def _parts(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return {str(name) for name in value}
    return (
        {str(plain(part)) for part in value} if isinstance(value, list | tuple) else {str(value or "")} - {""}
    )


def _if(worse: bool) -> ChangeKind:
    return ChangeKind.WEAKENED if worse else ChangeKind.SETTING


_JUDGES: Mapping[str, Callable[[Any, Any], ChangeKind]] = {
    "setting": lambda before, after: ChangeKind.SETTING,
    "hides": lambda before, after: ChangeKind.SETTING,
    "lower": lambda before, after: _if(_number(after) < _number(before)),
    "higher": lambda before, after: _if(_number(after) > _number(before)),
    "off": lambda before, after: _if(_on(before) and not _on(after)),
    "opens": lambda before, after: ChangeKind.PERMISSION if _on(after) else ChangeKind.SETTING,
    "weakens": lambda before, after: ChangeKind.WEAKENED,
    "permission": lambda before, after: ChangeKind.PERMISSION,
    "replication": lambda before, after: ChangeKind.REPLICATION,
    "secret": lambda before, after: ChangeKind.PERMISSION,
    "unreviewed": lambda before, after: ChangeKind.WEAKENED,
    "drops": lambda before, after: _if(bool(_parts(before) - _parts(after))),
    "names": lambda before, after: _if(bool(_parts(before) - _parts(after))),
}
_HIDDEN = frozenset(("secret", "hides", "names", "unreviewed"))


def compared(
    survey: Survey,
    where: Resource,
    given: Mapping[str, Any],
    found: Mapping[str, Any],
    rules: Sequence[Rule],
) -> Effects:
    """One effect for each kind of change, naming what changes."""
    said: dict[ChangeKind, list[str]] = {}
    for rule, after in _given(given, rules):
        before = at(found, rule.present or rule.member)
        if rule.judge != "secret" and (before == after if rule.judge == "names" else same(before, after)):
            continue
        kind = _JUDGES[rule.judge](before, after)
        said.setdefault(kind, []).append(_told(survey, where, rule, before, after))
    if not said:
        return [thing(where, ChangeKind.SETTING, "nothing changes")]
    return [thing(where, kind, ", ".join(names)) for kind, names in said.items()]


def _given(given: Mapping[str, Any], rules: Sequence[Rule]) -> Iterator[tuple[Rule, Any]]:
    for rule in rules:
        if rule.judge != "ignored" and (value := at(given, rule.member)) is not None:
            yield rule, value
    ruled = {rule.member.split(".")[0] for rule in rules}
    for name in given:
        if name not in ruled:
            yield Rule(name, "unreviewed", f"{name} (not reviewed)"), given[name]


def _told(survey: Survey, where: Resource, rule: Rule, before: Any, after: Any) -> str:
    if rule.judge not in _HIDDEN:
        survey.rests_on(f"{rule.name} of {where.name}", before)
        survey.shows(rule.name, before, after)
        numbers = isinstance(after, int) and not isinstance(after, bool) and isinstance(before, int)
        return f"{rule.name} {before:,} → {after:,}" if numbers else rule.name
    if rule.judge == "names":
        return _names(survey, where, rule, before, after)
    survey.shows(rule.name, "not shown", "not shown")
    return rule.name


def _names(survey: Survey, where: Resource, rule: Rule, before: Any, after: Any) -> str:
    """Of a map with secrets in it only the names are told."""
    old, new = _parts(before), _parts(after)
    survey.rests_on(f"names of {rule.name} of {where.name}", sorted(old))
    survey.shows(rule.name, ", ".join(sorted(old)) or "none", ", ".join(sorted(new)) or "none")
    gone = sorted(old - new)
    return f"{rule.name} without {', '.join(gone)}" if gone else rule.name


def changing(
    kind: str, rest: str, ask: str, by: Mapping[str, Any], select: str, rules: Sequence[Rule]
) -> Describer:
    """A describer that reads the present values with `ask` (`by` are its parameters, with members of the call in braces), at
    `select` in the answer, and compares."""

    async def describer(survey: Survey) -> Effects:
        where = survey.about(kind, rest)
        answer = await survey.find(survey.call.service, ask, asked_by(survey, by))
        found = at(answer, select) if answer is not None else None
        if not isinstance(found, Mapping):
            return [absent(where)]
        return compared(survey, where, survey.parameters, found, rules)

    return describer


def asked_by(survey: Survey, by: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a question, filled with members of the call."""
    return {name: _filled(survey, template) for name, template in by.items()}


def _filled(survey: Survey, template: Any) -> Any:
    if isinstance(template, Mapping):
        return asked_by(survey, template)
    if isinstance(template, list):
        return [_filled(survey, part) for part in template]
    if isinstance(template, str):
        for field in fields(template):
            template = template.replace(f"{{{field}}}", survey.text(*field.split("|")))
    return template
