"""ARNs: how the service authorization reference writes them, filled in and recognised."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from interlock.connectors.aws.verbs.levels import Levels, Target

_VARIABLE = re.compile(r"\$\{(\w+)\}")
PLACES = frozenset(("Partition", "Region", "Account"))


@lru_cache(maxsize=8192)
def variables(form: str) -> tuple[str, ...]:
    """The variables of a form that a call must name: all but partition, region and account."""
    return tuple(name for name in _VARIABLE.findall(form) if name not in PLACES)


def fill(form: str, values: Mapping[str, str]) -> str:
    """The ARN; what isn't known is `*`."""
    texts, names = _cut(form)
    filled = [text + (values.get(name) or "*") for text, name in zip(texts, names, strict=False)]
    return "".join(filled) + texts[-1]


@lru_cache(maxsize=8192)
def _cut(form: str) -> tuple[list[str], list[str]]:
    """The texts of a form, and the variables between them."""
    pieces = _VARIABLE.split(form)
    return pieces[::2], pieces[1::2]


def matches(form: str, arn: str) -> bool:
    """Whether an ARN has the form."""
    return _pattern(form).fullmatch(arn) is not None


def kinds_of(arn: str, levels: Levels) -> Iterator[str]:
    """The kinds whose form an ARN has, the one with most fixed text first."""
    parts = arn.split(":", 5)
    found = list(levels.forms(parts[2])) if len(parts) == 6 else []
    fitting = [form for form in found if matches(form.arn, arn)]
    yield from (form.kind for form in sorted(fitting, key=_fixed, reverse=True))


def is_arn(value: object) -> bool:
    """Whether a value is an ARN by its looks."""
    return isinstance(value, str) and value.startswith("arn:") and value.count(":") >= 5


def _fixed(target: Target) -> int:
    return len(_VARIABLE.sub("", target.arn))


@lru_cache(maxsize=8192)
def _pattern(form: str) -> re.Pattern[str]:
    pieces = _VARIABLE.split(form)
    last = len(pieces) - 2
    texts = (
        re.escape(piece) if place % 2 == 0 else _hole(piece, place == last)
        for place, piece in enumerate(pieces)
    )
    return re.compile("".join(texts), re.DOTALL)


def _hole(name: str, last: bool) -> str:
    if name in PLACES:
        return "[^:]*"
    if name == "BucketName" or not (last or "Path" in name):
        return "[^:/]+"
    return ".+"
