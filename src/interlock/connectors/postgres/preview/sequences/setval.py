"""setval: no rollback undoes it, so it is judged before it runs. Where both arguments are written out, the value is compared with
what the sequence gives next; whatever else it may do counts as setting it back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import structs

from interlock.connectors.postgres.parse import Call, collect, parse
from interlock.connectors.postgres.parse.walk import constant
from interlock.connectors.postgres.preview.sequences.stored import next_value, state
from interlock.connectors.postgres.queries import Ask, QueryFailed, Steps
from interlock.model.effect import ChangeKind, Effect

_NAME = """
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.oid::pg_catalog.text
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE c.oid OPERATOR(pg_catalog.=) $1::pg_catalog.regclass::pg_catalog.oid AND c.relkind OPERATOR(pg_catalog.=) 'S'
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One call with its arguments written out: `last` was the last value when `called`, else it comes next."""

    sequence: str
    last: int
    called: bool


def judged(sql: str, effects: tuple[Effect, ...]) -> Steps[tuple[Effect, ...]]:
    """The effects of a statement, with those on sequences as far as they can be told. Asks the agent's connection."""
    if not any(effect.change is ChangeKind.REWOUND for effect in effects):
        return effects
    settings = _settings(sql)
    if settings is None:
        return effects
    forward: list[bool] = []
    words: list[str] = []
    for setting in settings:
        now = yield from _next(setting.sequence)
        if now is None:
            return effects
        before, step = now
        after = setting.last + (step if setting.called else 0)
        forward.append(after >= before if step > 0 else after <= before)
        way = "set forward" if forward[-1] else "set back"
        words.append(f"{way} from {before} to {after}")
    return tuple(_told(effect, all(forward), words) for effect in effects)


def _told(effect: Effect, forward: bool, words: Sequence[str]) -> Effect:
    if effect.change is not ChangeKind.REWOUND:
        return effect
    change = ChangeKind.SETTING if forward else ChangeKind.REWOUND
    reason = "a rollback does not undo it"
    return structs.replace(effect, change=change, detail="; ".join(words), reason=reason)


def _next(sequence: str) -> Steps[tuple[int, int] | None]:
    (found,) = yield (Ask("agent", ((_NAME, (sequence,)),)),)
    if isinstance(found, QueryFailed) or len(found[0]) != 1:
        return None
    ((schema, name, oid),) = found[0]
    (reply,) = yield (Ask("agent", (state((schema or "", name or ""), int(oid or 0)),)),)
    return None if isinstance(reply, QueryFailed) or len(reply[0]) != 1 else next_value(reply[0])


def _settings(sql: str) -> list[Setting] | None:
    calls = [call for raw in parse(sql) for call in collect(raw.tag, raw.body).calls]
    found = list(_read(call for call in calls if call.name.name == "setval"))
    return None if None in found or not found else [s for s in found if s is not None]


def _read(calls: Iterable[Call]) -> Iterable[Setting | None]:
    for call in calls:
        if len(call.args) < 2:
            yield None
            continue
        name, value, *called = [constant(argument) for argument in call.args]
        told = not called or called[0] in ("on", "true", "t", "off", "false", "f")
        if name is None or value is None or not value.isdecimal() or not told:
            yield None
        else:
            yield Setting(name, int(value), not called or called[0] in ("on", "true", "t"))
