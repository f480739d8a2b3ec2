"""What people do about a held change beside approving and denying: take back, comment."""

from interlock.console.callers import ByKey, Caller, Local, name_of
from interlock.console.handlers.changes import detail, id_of
from interlock.console.operations import Call, Nothing
from interlock.console.problems import Refusal
from interlock.console.schemas import ChangeDetail
from interlock.console.schemas.deciding import Comments, NewComment, Unapproval
from interlock.model.change import Comment


async def taken_back(call: Call[Nothing, Unapproval]) -> ChangeDetail:
    """Take one's own approval back before it is used."""
    change_id, person = id_of(call.path["id"]), own_name(call.caller, call.body.person)
    await call.runtime.changes.take_back(change_id, person, call.body.reason, by=name_of(call.caller))
    return detail(await call.runtime.changes.show(change_id))


async def commented(call: Call[Nothing, NewComment]) -> Comment:
    """Write something beside a change."""
    service = call.runtime.changes
    return await service.comment(id_of(call.path["id"]), call.body.text, by=name_of(call.caller))


async def comments(call: Call[Nothing, None]) -> Comments:
    """What was written beside a change."""
    return Comments(tuple(await call.runtime.changes.comments(id_of(call.path["id"]))))


def own_name(caller: Caller, named: str) -> str:
    """The person who acts: whoever signs the request, for nobody but themself; by the admin socket the one who is named."""
    match caller:
        case ByKey(person) if named in ("", person):
            return person
        case ByKey(person):
            raise Refusal("forbidden", f"{person} cannot do this for somebody else")
        case Local() if named:
            return named
        case Local():
            raise Refusal("invalid", "by the admin socket it must be said whose it is: `person`")
        case _:
            raise Refusal("not_found")
