"""Waiting, in a script, until people have decided about a change."""

import math
import random
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from interlock.cli import client, out
from interlock.cli.client import Answered, Unreachable
from interlock.cli.commands.agents.run import TOKEN, read_token
from interlock.cli.options import Config, Json, change_id, config_path, seconds, socket_path
from interlock.console.own import own_change
from interlock.console.schemas import ChangeDetail, OwnChange
from interlock.model.change import ChangeState
from interlock.model.errors import InterlockError

TIMED_OUT = 124
"""Exit status when nothing was decided in time, as that of timeout(1)."""
UNDECIDED = (ChangeState.RECEIVED, ChangeState.HELD, ChangeState.EXECUTING, ChangeState.IN_DOUBT)
GOES_ON = (ChangeState.APPROVED, ChangeState.APPLIED)

_POLL_S = 60
_ANSWERS_S = 10
"""How much longer (seconds) than it was asked to wait a server may take to answer."""
_BETWEEN_S = 1.0
"""Seconds between two questions, at least, while nothing has moved."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 5.0
_AGAIN = (429, 502, 503, 504)
"""Statuses after which the same question is asked again: the gateway, or what is before it, is busy or restarts."""

Ask: TypeAlias = Callable[[int], OwnChange]
"""Asks how the change stands; the server may take so many seconds, until it moves."""


def wait(
    chg: Annotated[
        str, typer.Argument(metavar="CHG", help="Id of the change, or the address that the refusal named.")
    ],
    timeout: Annotated[str, typer.Option("--timeout", metavar="10m", help="How long to wait.")] = "10m",
    token_env: Annotated[
        str, typer.Option("--token-env", metavar="NAME", help="The variable that holds the agent's token.")
    ] = TOKEN,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help="Where the agent's token is.")
    ] = None,
    config: Config = None,
    url: Annotated[
        str,
        typer.Option(
            "--url",
            metavar="URL",
            help="Ask the API at this address, with the agent's token, not the socket.",
        ),
    ] = "",
    json: Json = False,
) -> None:
    """Wait until a change is decided. Exit status 0: it can go on (approved or applied), 1: it cannot, 124: the time is over."""
    url, wanted = _place(chg, url)
    ask = _by_token(url, read_token(token_file, token_env), wanted) if url else _by_socket(config, wanted)
    longest = seconds(timeout)
    change, trouble = _decided(ask, longest)
    if json and change is not None:
        out.json(change)
    if change is None or change.state in UNDECIDED:
        standing = "is not known" if change is None else f"is {change.state.value.replace('_', ' ')}"
        after = out.span(timedelta(seconds=longest))
        out.warn(f"interlock: {wanted} {standing} after {after}{f'; {trouble}' if trouble else ''}")
        raise typer.Exit(TIMED_OUT)
    if not json:
        out.console().print(out.shown(_told(change)), soft_wrap=True)
    raise typer.Exit(0 if change.state in GOES_ON else 1)


def _place(typed: str, url: str) -> tuple[str, str]:
    """The API's address (empty: the admin socket) and the change's id. A usage error when it is neither."""
    if not typed.startswith(("http://", "https://")):
        return url, change_id(typed)
    base, slash, last = typed.rpartition("/changes/")
    if not slash:
        raise typer.BadParameter(f"{typed!r} is not the address of a change (https://HOST/changes/ID)")
    if url and url.rstrip("/") != base:
        raise typer.BadParameter("--url names another server than the address of the change")
    return base, change_id(last)


def _by_token(url: str, token: str, wanted: str) -> Ask:
    states = [state.value for state in UNDECIDED]

    def ask(longest: int) -> OwnChange:
        server = client.by_token(url, token, longest + _ANSWERS_S)
        return server.get(f"/changes/{wanted}", OwnChange, wait=longest, state=states)

    return ask


def _by_socket(config: Path | None, wanted: str) -> Ask:
    path = socket_path(config_path(config))

    def ask(longest: int) -> OwnChange:
        detail = client.by_socket(path, _ANSWERS_S).get(f"/api/v1/changes/{wanted}", ChangeDetail)
        return own_change(detail.change)

    return ask


def _decided(ask: Ask, longest: int) -> tuple[OwnChange | None, str]:
    """The change once it is decided, or as it was last seen when the time is over, and what went wrong last. A server that does not
    answer, because it restarts, is asked again."""
    begun, change, trouble, pause = time.monotonic(), None, "", _FIRST_PAUSE_S
    while True:
        asked = time.monotonic()
        left = max(0.0, begun + longest - asked)
        try:
            change, trouble = ask(min(_POLL_S, math.ceil(left))), ""
            if change.state not in UNDECIDED:
                return change, ""
            pause, nap = _FIRST_PAUSE_S, _BETWEEN_S - (time.monotonic() - asked)
        except (Unreachable, Answered) as error:
            trouble = _passing(error, told=bool(trouble))
            pause, nap = min(2 * pause, _LONGEST_PAUSE_S), pause * random.uniform(0.5, 1)
        left = begun + longest - time.monotonic()
        if left <= 0:
            return change, trouble
        time.sleep(max(0.0, min(nap, left)))


def _passing(error: InterlockError, *, told: bool) -> str:
    """What a trouble is that may pass, which is told once; raises the others."""
    if isinstance(error, Answered) and error.problem.status not in _AGAIN:
        raise error
    if not told:
        out.warn(f"interlock: {error}; asking again")
    return str(error)


def _told(change: OwnChange) -> str:
    note = f" ({change.note})" if change.note else ""
    return f"{change.id} is {change.state.value.replace('_', ' ')}{note}. {change.next}"
