"""What the command line prints: tables and text for people, JSON for programs. Colour only on a terminal, and never with NO_COLOR
(no-color.org). Nothing is cut off: what does not fit is folded."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from interlock.model.effect import Effect, Totals, Unit
from interlock.model.visible import MARK, visible


def console() -> Console:
    """Standard output. Made anew for each use, so that it is the stream of now (tests and pipes redirect it)."""
    return Console(highlight=False, soft_wrap=False)


def errors() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str, style: str = "") -> None:
    """One line for people, never folded in the middle of a word that one may want to copy."""
    console().print(Text(text, style=style), soft_wrap=True)


def count(number: int, noun: str) -> str:
    """`1 error`, `2 errors`, `1,204 entries`."""
    many = noun.removesuffix("y") + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else many}"


def warn(text: str) -> None:
    """One line about something that people should know, on standard error."""
    errors().print(Text(text, style="yellow"))


def json(value: object) -> None:
    """A value as one JSON document."""
    data = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.write(data.decode() + "\n")


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()
) -> Table:
    """A table whose cells fold. Texts are made visible; `Text` cells are taken as they are."""
    made = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for name in columns:
        made.add_column(
            name, overflow="fold", justify="right" if name in right else "left", header_style="dim"
        )
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else shown(cell) for cell in row))
    return made


def shown(value: object) -> Text:
    """A value as text in which every mark of `visible` stands out."""
    match value:
        case None:
            return Text("")
        case bool():
            return Text("yes" if value else "no")
        case datetime():
            return Text(when(value))
        case _:
            text = Text(visible(str(value)))
            text.highlight_regex(MARK, "bold reverse red")
            return text


def when(at: datetime | None) -> str:
    """A time in UTC to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at else ""


def moment(at: datetime) -> str:
    """A time in UTC to the minute, without the year: for lists of what was lately."""
    return at.astimezone(UTC).strftime("%m-%d %H:%M")


def span(length: timedelta) -> str:
    """A length of time in its two largest units: `1d 4h`, `12m 5s`."""
    seconds = max(0, int(length.total_seconds()))
    parts = [
        (seconds // 86400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "m"),
        (seconds % 60, "s"),
    ]
    return " ".join([f"{n}{unit}" for n, unit in parts if n][:2]) or "0s"


def effects(found: Sequence[Effect]) -> Table:
    """Effects, what is lost first."""
    ordered = sorted(
        found, key=lambda e: (not e.change.value.startswith(("delet", "repl", "hid")), e.resource.name)
    )
    rows = [_effect(effect) for effect in ordered]
    return table("", ("what", "change", "count", "of", "known", "undo"), rows, right=("count", "of"))


def _effect(effect: Effect) -> tuple[object, ...]:
    of = "" if effect.before is None else f"{effect.before:,}{'+' if effect.before_at_least else ''}"
    columns = f" ({', '.join(effect.columns)})" if effect.columns else ""
    detail = f": {effect.detail}" if effect.detail else ""
    unit = effect.unit.value if effect.count != 1 else effect.unit.value.removesuffix("s")
    undo = "yes" if effect.reversible else f"no{': ' + effect.reason if effect.reason else ''}"
    change = f"{effect.change.value}{columns}{detail}"
    # What has no number of its own (a sequence from which values were taken) is not nothing.
    number = f"{effect.count:,} {unit}" if effect.count else ""
    return (
        f"{effect.resource.kind} {effect.resource.name}",
        change,
        number,
        of,
        effect.evidence.value,
        undo,
    )


_WORDS: tuple[tuple[str, str, Unit | None], ...] = (
    ("objects_deleted", "deleted", Unit.OBJECTS),
    ("objects_hidden", "hidden", Unit.OBJECTS),
    ("objects_moved", "moved", Unit.OBJECTS),
    ("objects_narrowed", "narrowed", Unit.OBJECTS),
    ("objects_weakened", "weakened", Unit.OBJECTS),
    ("objects_rewound", "set back", Unit.OBJECTS),
    ("permissions_changed", "rights changed", None),
    ("replication_changed", "changes of replication", None),
    ("rows_deleted", "deleted", Unit.ROWS),
    ("messages_taken", "taken", Unit.MESSAGES),
    ("messages_sent", "sent", Unit.MESSAGES),
    ("rows_updated", "updated", Unit.ROWS),
    ("objects_updated", "altered", Unit.OBJECTS),
    ("objects_created", "created", Unit.OBJECTS),
    ("rows_created", "added", Unit.ROWS),
    ("settings_changed", "settings changed", None),
    ("unknown", "of unknown effect", None),
)


def numbers(totals: Totals) -> str:
    """Effects in one short phrase, the gravest first: `3 objects deleted, 1,204 rows deleted`."""
    parts = [(getattr(totals, field), words, unit) for field, words, unit in _WORDS]
    return ", ".join(_number(count, words, unit) for count, words, unit in parts if count) or "nothing"


def _number(count: int, words: str, unit: Unit | None) -> str:
    if unit is None:
        return f"{count:,} {words}"
    return f"{count:,} {unit.value if count != 1 else unit.value.removesuffix('s')} {words}"


def labelled(label: str, style: str, text: Text) -> Table:
    """A line with a word of at most nine characters before it, beside which the text folds."""
    made = Table.grid(padding=(0, 1, 0, 0))
    made.add_column(width=9, no_wrap=True)
    made.add_column(overflow="fold")
    made.add_row(Text(label, style=style), text)
    return made


def print_table(made: Table) -> None:
    """Print a table, or a word that there is nothing."""
    console().print(made if made.row_count else Text("(none)", style="dim"))
