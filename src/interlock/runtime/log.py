"""Structured logs: JSON for machines or readable lines for people, with a net that keeps secrets out (P3).

The net is the last of several: nothing hands secrets, statements or row values to the log in the first place.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from interlock.runtime.config import secrets
from interlock.runtime.drive import described

HIDDEN = "[redacted]"
_KEYS = re.compile(
    r"(?i)(pass(word|wd|phrase)?|secret|token|authorization|credential|private|signing_?key|dsn)$"
)
_URL = re.compile(r"(?<=://)([^/\s:@]+):([^/\s@]+)@")
_DEEPEST = 6


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: hides values under telling names, passwords in addresses, and every secret read so far."""
    known = secrets.seen()
    for key, value in event.items():
        event[key] = HIDDEN if _KEYS.search(str(key)) and value else _clean(value, known, 0)
    return event


def _clean(value: Any, known: frozenset[str], depth: int) -> Any:
    if isinstance(value, str):
        for secret in known:
            value = value.replace(secret, HIDDEN)
        return _URL.sub(rf"\1:{HIDDEN}@", value)
    if depth >= _DEEPEST:
        return HIDDEN
    if isinstance(value, Mapping):
        return {
            k: HIDDEN if _KEYS.search(str(k)) and v else _clean(v, known, depth + 1) for k, v in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, known, depth + 1) for item in value]
    return value if isinstance(value, bool | int | float | None) else _clean(str(value), known, depth)


def set_up(*, json: bool | None = None, level: str = "info", stream: TextIO | None = None) -> None:
    """Configure all logging of this process, the standard library's included. `json` is chosen by whether a person is looking."""
    out = stream or sys.stderr
    machine = not out.isatty() if json is None else json
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    last: Any = (
        structlog.processors.JSONRenderer() if machine else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[*shared, _no_traceback_text, redact, last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _no_traceback_text,
                redact,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))


def _no_traceback_text(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep where an error happened, drop its text: it may quote a statement or a row."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info if isinstance(info, BaseException) else None
    if info is True:
        error = sys.exc_info()[1]
    if error is not None:
        event.update(described(error))
    return event
