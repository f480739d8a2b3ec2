"""The rows about what decides and who is told: break-glass, proposals, messages (see `console.routes`)."""

from interlock.console.handlers import (
    break_glass,
    governing,
    messages,
)
from interlock.console.operations import V1, Access, Operation
from interlock.console.schemas import (
    Empty,
    Reason,
    Signed,
)
from interlock.console.schemas.deciding import (
    BreakGlasses,
    BreakGlassQuery,
    BreakGlassToSign,
    SignedReview,
)
from interlock.console.schemas.governed import (
    DecidingConfig,
    FoundingAdmins,
    Held,
    NewGroups,
    NewKey,
    NewOwner,
    PolicyTexts,
    ProposalQuery,
    Proposals,
)
from interlock.console.schemas.messages import MessageList, MessageQuery
from interlock.model.break_glass import BreakGlass
from interlock.model.message import Message
from interlock.model.people import Agent, Person
from interlock.model.proposal import Founded
from interlock.runtime.notify.states import Tried

PERSON, ADMIN = Access.PERSON, Access.ADMIN

BREAK_GLASS = (
    Operation(
        id="getBreakGlassStatement", method="GET", path=f"{V1}/break-glass/statement", access=PERSON, tag="break-glass",
        query=BreakGlassQuery, answer=BreakGlassToSign, handler=break_glass.statement,
        summary="What a person would sign to break the glass, and all it is computed from",
    ),
    Operation(
        id="listBreakGlass", method="GET", path=f"{V1}/break-glass", access=PERSON, tag="break-glass", answer=BreakGlasses,
        summary="Every use of break-glass; those that nobody has reviewed first", handler=break_glass.listed,
    ),
    Operation(
        id="breakGlass", method="POST", path=f"{V1}/break-glass", access=PERSON, tag="break-glass", body=Signed, answer=BreakGlass,
        status=201, summary="Stand alone for a quorum, for one change or for a short time on one target", handler=break_glass.used,
        light=True,
    ),
    Operation(
        id="getBreakGlass", method="GET", path=f"{V1}/break-glass/{{id}}", access=PERSON, tag="break-glass", answer=BreakGlass,
        summary="One use of break-glass", handler=break_glass.shown,
    ),
    Operation(
        id="reviewBreakGlass", method="POST", path=f"{V1}/break-glass/{{id}}/review", access=PERSON, tag="break-glass",
        body=SignedReview, answer=BreakGlass, summary="Say what one thinks of somebody else's use of break-glass",
        handler=break_glass.reviewed,
    ),
)  # fmt: skip

GOVERNING = (
    Operation(
        id="govern", method="POST", path=f"{V1}/govern", access=ADMIN, tag="proposals", body=FoundingAdmins, answer=Founded,
        summary="Enrol the founding admins and begin governed mode (by the admin socket)", handler=governing.govern,
    ),
    Operation(
        id="proposals", method="GET", path=f"{V1}/proposals", access=PERSON, tag="proposals", query=ProposalQuery,
        answer=Proposals, summary="Proposed changes of what decides (none in try-out mode)", handler=governing.proposals,
    ),
    Operation(
        id="proposePolicies", method="POST", path=f"{V1}/proposals/policies", access=PERSON, tag="proposals", body=PolicyTexts,
        answer=Held, status=202, summary="Propose other policies", handler=governing.policies,
    ),
    Operation(
        id="proposeConfig", method="POST", path=f"{V1}/proposals/config", access=PERSON, tag="proposals", body=DecidingConfig,
        answer=Held, status=202, summary="Propose another configuration", handler=governing.config,
    ),
    Operation(
        id="proposeEnd", method="POST", path=f"{V1}/proposals/end", access=PERSON, tag="proposals", body=Reason, answer=Held,
        status=202, summary="Propose to end governed mode", handler=governing.end,
    ),
    Operation(
        id="setGroups", method="POST", path=f"{V1}/people/{{name}}/groups", access=ADMIN, tag="people", body=NewGroups,
        answer=Person, proposes=True, summary="Give a person other groups", handler=governing.groups,
    ),
    Operation(
        id="recoverPerson", method="POST", path=f"{V1}/people/{{name}}/recover", access=ADMIN, tag="people", body=NewKey,
        answer=Person, proposes=True, summary="Give a person who lost their key another one", handler=governing.recover,
    ),
    Operation(
        id="giveAgent", method="POST", path=f"{V1}/agents/{{name}}/owner", access=ADMIN, tag="agents", body=NewOwner,
        answer=Agent, proposes=True, summary="Give an agent another owner", handler=governing.owner,
    ),
)  # fmt: skip

MESSAGES = (
    Operation(
        id="listMessages", method="GET", path=f"{V1}/messages", access=PERSON, tag="messages", query=MessageQuery,
        answer=MessageList, summary="The channels, and messages to people that were given up", handler=messages.listed,
    ),
    Operation(
        id="retryMessage", method="POST", path=f"{V1}/messages/{{id}}/retry", access=PERSON, tag="messages", body=Empty,
        answer=Message, summary="Have a message that was given up tried again", handler=messages.retried,
    ),
    Operation(
        id="dropMessage", method="DELETE", path=f"{V1}/messages/{{id}}", access=ADMIN, tag="messages", answer=Message,
        summary="Forget a message that was given up", handler=messages.dropped,
    ),
    Operation(
        id="testChannel", method="POST", path=f"{V1}/channels/{{name}}/test", access=PERSON, tag="messages", body=Empty,
        answer=Tried, summary="Send a test to a channel now", handler=messages.tried,
    ),
)  # fmt: skip
