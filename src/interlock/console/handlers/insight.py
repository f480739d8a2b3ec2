"""Looking into a change: samples of its rows and definitions, and its entries in the ledger."""

from interlock.console.callers import ByKey, BySession, Caller
from interlock.console.operations import Call, Nothing
from interlock.console.problems import Refusal
from interlock.console.schemas import Empty
from interlock.console.schemas.insight import Timeline
from interlock.ledger import note
from interlock.model.errors import NotFound
from interlock.model.ids import parse_change_id
from interlock.runtime.runtime import Runtime
from interlock.runtime.service.deciding.insight import NotAllowed, SampleView


async def sample(call: Call[Nothing, None]) -> SampleView:
    """A sample without its values."""
    return await sample_of(call.runtime, _id(call.path["id"]), _viewer(call.caller))


async def revealed(call: Call[Nothing, Empty]) -> SampleView:
    """A sample with its values. That they are shown is recorded first."""
    return await sample_of(call.runtime, _id(call.path["id"]), _viewer(call.caller), reveal=True)


async def sample_of(runtime: Runtime, change_id: str, viewer: str, *, reveal: bool = False) -> SampleView:
    """A sample as a person may see it. Raises Refusal when values are not for them."""
    try:
        return await runtime.insight.sample(change_id, viewer, reveal=reveal)
    except NotAllowed as error:
        raise Refusal("forbidden", str(error)) from None


async def timeline(call: Call[Nothing, None]) -> Timeline:
    """What happened to a change, entry by entry."""
    steps = await call.runtime.insight.timeline(_id(call.path["id"]))
    return Timeline(tuple(steps), await signed_size(call.runtime))


async def signed_size(runtime: Runtime) -> int:
    """How many entries the newest checkpoint covers: of these there are proofs."""
    try:
        return note.open_checkpoint(await runtime.store.checkpoint(), runtime.store.verifier).size
    except NotFound:
        return 0


def _viewer(caller: Caller) -> str:
    """A person by name. Whoever uses the admin socket is known by number only, and sees no values."""
    return caller.person if isinstance(caller, ByKey | BySession) else ""


def _id(typed: str) -> str:
    try:
        return parse_change_id(typed)
    except ValueError as error:
        raise NotFound(str(error)) from None
