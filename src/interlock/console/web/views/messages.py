"""Messages to people: the channels, and what could not be delivered to them."""

from interlock.console.problems import Refusal
from interlock.console.web.visit import Answer, GoTo, Html, Visit
from interlock.control.outbox import TRIES
from interlock.model.message import MessageState
from interlock.runtime.notify.states import Tried

_LISTED = (MessageState.DEAD, MessageState.WAITING)
MOST = 1000
"""As many as the service lists."""


async def listed(visit: Visit) -> Answer:
    """Those that were given up, oldest first; with `state=waiting` those that are still tried."""
    return await _page(visit)


async def retried(visit: Visit) -> Answer:
    """One is tried again, as if it were new."""
    await visit.runtime.messages.retry(visit.path["id"], by=visit.by)
    return GoTo("/console/messages")


async def dropped(visit: Visit) -> Answer:
    """One is forgotten: whom it was for never gets it."""
    await visit.runtime.messages.drop(visit.path["id"], by=visit.by)
    return GoTo("/console/messages")


async def tried(visit: Visit) -> Answer:
    """A test is sent now; whether the channel took it is on this answer."""
    return await _page(visit, await visit.runtime.messages.try_out(visit.path["name"], by=visit.by))


async def _page(visit: Visit, tried: Tried | None = None) -> Answer:
    state, service = _state(visit.query.get("state", "")), visit.runtime.messages
    found = await service.list((state,))
    shown = {
        "channels": await service.channels(),
        "messages": found,
        "state": state.value,
        "tries": TRIES,
        "more": len(found) >= MOST,
        "tried": tried,
    }
    return Html("messages.html", shown)


def _state(asked: str) -> MessageState:
    if not asked:
        return MessageState.DEAD
    found = next((state for state in _LISTED if state.value == asked), None)
    if found is None:
        raise Refusal("invalid", "dead or waiting")
    return found
