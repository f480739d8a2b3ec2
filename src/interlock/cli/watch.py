"""Telling, beside a program's own output, which of its changes wait for people and what becomes of them."""

import time
from datetime import timedelta

from rich.text import Text

from interlock.cli import out
from interlock.cli.client import Client
from interlock.console.schemas import ChangeDetail, ChangePage, ChangeSummary, OwnChange, OwnChanges
from interlock.model.change import ChangeState
from interlock.model.errors import InterlockError

WAITING = (ChangeState.HELD, ChangeState.APPROVED)
UNDER_WAY = (ChangeState.RECEIVED, ChangeState.EXECUTING)

_LAST_LOOKS, _BETWEEN_S = 15, 0.2
"""An outcome is recorded after the program has its answer: how often, and how long apart (seconds), it is asked for at the end."""


class Watch:
    """An agent's changes on a target, on standard error. With `own` the server is asked for them with the agent's token, else by
    the admin socket. A server that does not answer is told of once; it is no reason to end the program."""

    def __init__(self, server: Client, agent: str, target: str, wait_s: int, *, own: bool) -> None:
        self._server, self._agent, self._target, self._own = server, agent, target, own
        self._wait_s, self._lost = wait_s, False
        self._told: dict[str, ChangeState] = {}
        self._under_way = False
        self._look(" already")

    def look(self) -> None:
        """Tell what has changed since the last look."""
        self._look("")

    def end(self) -> None:
        """Look for the last time, and see through what is about to end."""
        for _ in range(_LAST_LOOKS):
            self._look("")
            if self._lost or not self._under_way:
                return
            time.sleep(_BETWEEN_S)

    def _look(self, already: str) -> None:
        self._under_way = False
        try:
            waiting = {change.id: change for change in self._waiting()}
            for change in reversed(waiting.values()):
                if self._told.get(change.id) is not change.state:
                    self._told[change.id] = change.state
                    self._tell(change, already)
            for change_id in [known for known in self._told if known not in waiting]:
                self._ended(change_id)
        except InterlockError as error:
            if not self._lost:
                out.warn(f"interlock: what becomes of this work cannot be shown: {error}")
            self._lost = True
        else:
            self._lost = False

    def _waiting(self) -> tuple[ChangeSummary | OwnChange, ...]:
        states = [state.value for state in WAITING]
        if self._own:
            return self._server.get("/changes", OwnChanges, target=self._target, state=states).changes
        return self._server.get(
            "/api/v1/changes", ChangePage, agent=self._agent, target=self._target, state=states
        ).changes

    def _ended(self, change_id: str) -> None:
        """A change that waited does so no more."""
        state = self._state(change_id)
        if state in UNDER_WAY:
            self._under_way = True
            return
        del self._told[change_id]
        _say(f"{change_id} is {state.value.replace('_', ' ')}.")

    def _state(self, change_id: str) -> ChangeState:
        if self._own:
            return self._server.get(f"/changes/{change_id}", OwnChange).state
        return self._server.get(f"/api/v1/changes/{change_id}", ChangeDetail).change.state

    def _tell(self, change: ChangeSummary | OwnChange, already: str) -> None:
        said = f"{change.id} is {change.state.value}{already}: {out.numbers(change.totals)}."
        if change.state is ChangeState.APPROVED:
            _say(said)
            return
        _say(said, "bold yellow")
        _say(f"People see it with `interlock show {change.id}`, and say yes with")
        _say(f"`interlock approve {change.id} --as NAME --key FILE`. {self._then(change.id)}")

    def _then(self, change: str) -> str:
        again = f"run this again, or `interlock apply {change}`."
        if self._wait_s:
            return f"The program waits up to {out.span(timedelta(seconds=self._wait_s))}; later: {again}"
        return f"Then: {again}"


def _say(text: str, style: str = "") -> None:
    out.errors().print(Text(f"interlock: {text}", style=style))
