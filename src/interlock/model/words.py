"""Effects and changes in plain words: the same in errors, notifications, the command line and pages."""

import unicodedata
from collections.abc import Iterable

from interlock.model.change import Change
from interlock.model.effect import ChangeKind, Effect, Evidence

_VERB = {
    ChangeKind.CREATED: "created",
    ChangeKind.UPDATED: "updated",
    ChangeKind.DELETED: "deleted",
    ChangeKind.REPLACED: "replaced",
    ChangeKind.HIDDEN: "hidden",
    ChangeKind.MOVED: "moved or renamed",
    ChangeKind.WEAKENED: "weakened",
    ChangeKind.NARROWED: "narrowed",
    ChangeKind.REWOUND: "set back",
    ChangeKind.PERMISSION: "changed in its rights",
    ChangeKind.REPLICATION: "changed in its replication",
    ChangeKind.SETTING: "set",
}


def verb_of(change: ChangeKind) -> str:
    """`deleted`, `moved or renamed`."""
    return _VERB[change]


def effect_words(effect: Effect) -> str:
    """One effect in words: `public.orders: 120 of 4,000 rows deleted`."""
    name = f"{effect.resource.kind} {effect.resource.name}".strip()
    verb = _VERB[effect.change]
    if effect.unit.data:
        unit = (
            effect.unit.value if effect.count != 1 or effect.before else effect.unit.value.removesuffix("s")
        )
        of = f" of {'at least ' if effect.before_at_least else ''}{effect.before:,}" if effect.before else ""
        said = f"{name}: {effect.count:,}{of} {unit} {verb}"
    else:
        said = f"{name} {verb}" + (f" ({effect.count:,} times)" if effect.count > 1 else "")
    if effect.columns:
        said += f" ({', '.join(effect.columns)})"
    if effect.detail:
        said += f"; {effect.detail}"
    if effect.evidence is not Evidence.MEASURED:
        said += f" [{effect.evidence.value}]"
    if not effect.reversible:
        said += f" [not reversible{': ' + effect.reason if effect.reason else ''}]"
    return said


def effects_words(effects: Iterable[Effect], most: int = 20) -> list[str]:
    """The effects in words, the gravest first, and how many more there are."""
    ordered = gravest_first(effects)
    lines = [effect_words(effect) for effect in ordered[:most]]
    if len(ordered) > most:
        lines.append(f"and {len(ordered) - most} more")
    return lines


def gravest_first(effects: Iterable[Effect]) -> list[Effect]:
    """The effects as people should read them: what is lost comes before what is changed, much before little."""
    grave = {kind: place for place, kind in enumerate(_GRAVEST)}
    return sorted(effects, key=lambda e: (grave[e.change], -e.count, e.resource.name))


_GRAVEST = (
    ChangeKind.DELETED,
    ChangeKind.REPLACED,
    ChangeKind.HIDDEN,
    ChangeKind.NARROWED,
    ChangeKind.WEAKENED,
    ChangeKind.REWOUND,
    ChangeKind.PERMISSION,
    ChangeKind.REPLICATION,
    ChangeKind.MOVED,
    ChangeKind.UPDATED,
    ChangeKind.SETTING,
    ChangeKind.CREATED,
)


_INVISIBLE = ("Cf", "Cs", "Co", "Cn")


def plain(text: str, longest: int) -> str:
    """A person's words as one line that shows all it holds, without control characters, invisible ones and those that reorder; cut
    to so many characters."""
    seen = (c for c in text if unicodedata.category(c) not in _INVISIBLE)
    line = " ".join("".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in seen).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def denial_words(change: Change) -> tuple[str, str]:
    """Of a denied change: the reason that was given, if one was, and from when on the same may be asked again."""
    until = change.expires_at
    again = f"The same can be asked again after {until:%Y-%m-%d %H:%M} UTC" if until is not None else ""
    return f"The reason given: {change.denial}" if change.denial else "", again


def remedy_words(remedies: Iterable[str]) -> str:
    """What is waited for: `the approval of quorum two-sre`."""
    said = []
    for remedy in remedies:
        kind, _, name = remedy.partition(":")
        said.append(f"the approval of quorum {name}" if kind == "quorum" else f"a {kind}")
    return " and ".join(said) or "nothing"
