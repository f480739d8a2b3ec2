"""Which changes an entry of the log is about."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from interlock.model.ids import PATTERN

_NAMES = ("change", "by_change")
"""Members of a body that name a change: its own, and the one that reverted it."""
_LISTS = ("changes",)
"""Members that name several: those that led to a trip."""


def of_body(body: Mapping[str, Any]) -> Sequence[str]:
    """The ids that a body names, each once. What is no id was somebody else's word, and is not one of a change."""
    found = [body.get(name) for name in _NAMES]
    for name in _LISTS:
        several = body.get(name)
        found += several if isinstance(several, list) else []
    return list(dict.fromkeys(text for text in found if isinstance(text, str) and PATTERN.fullmatch(text)))


def rows(number: int, data: bytes) -> list[dict[str, Any]]:
    """The rows of `ledger_changes` for a stored entry; none for one that cannot be read (the verifier says so)."""
    try:
        body = json.loads(data)["body"]
    except (ValueError, KeyError, TypeError):
        return []
    named = of_body(body) if isinstance(body, dict) else ()
    return [{"change_id": change_id, "number": number} for change_id in named]
