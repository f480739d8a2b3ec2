"""The rows of the table of operations about people, agents and grants (`console.routes`)."""

from interlock.console.handlers import principals
from interlock.console.operations import V1, Access, Operation
from interlock.console.schemas import Agents, Empty, Grants, NewAgent, NewGrant, NewPerson, NewToken, People
from interlock.console.schemas.people import Confirmation, Enrolments, Invited, NewInvitation, Unlink
from interlock.model.people import Agent, Grant, Person

PERSON, ADMIN = Access.PERSON, Access.ADMIN

PEOPLE = (
    Operation(
        id="listPeople", method="GET", path=f"{V1}/people", access=PERSON, tag="people", answer=People,
        summary="All people", handler=principals.people,
    ),
    Operation(
        id="addPerson", method="POST", path=f"{V1}/people", access=ADMIN, tag="people", body=NewPerson, answer=Person,
        status=201, proposes=True,
        summary="Enrol a person", handler=principals.add_person,
    ),
    Operation(
        id="disablePerson", method="POST", path=f"{V1}/people/{{name}}/disable", access=PERSON, tag="people", body=Empty,
        answer=Person, summary="Disable a person", handler=principals.disable_person, light=True,
    ),
    Operation(
        id="invitePerson", method="POST", path=f"{V1}/people/{{name}}/invitation", access=ADMIN, tag="people",
        body=NewInvitation, answer=Invited, status=201, summary="A link with which somebody makes a passkey",
        handler=principals.invite,
    ),
    Operation(
        id="listEnrolments", method="GET", path=f"{V1}/enrolments", access=PERSON, tag="people", answer=Enrolments,
        summary="Passkeys and logins that wait to be confirmed", handler=principals.enrolments,
    ),
    Operation(
        id="confirmPerson", method="POST", path=f"{V1}/people/{{name}}/confirm", access=ADMIN, tag="people",
        body=Confirmation, answer=Person, summary="Let a passkey or a login count, by the code that its owner saw",
        handler=principals.confirm, proposes=True,
    ),
    Operation(
        id="revokePasskey", method="DELETE", path=f"{V1}/people/{{name}}/passkeys/{{id}}", access=PERSON, tag="people",
        answer=Person, summary="A passkey counts no more, at once", handler=principals.revoke_passkey, light=True,
    ),
    Operation(
        id="unlinkPerson", method="POST", path=f"{V1}/people/{{name}}/unlink", access=PERSON, tag="people", light=True,
        body=Unlink, answer=Person, summary="A login at the provider lets nobody in any more, at once",
        handler=principals.unlink,
    ),
    Operation(
        id="listAgents", method="GET", path=f"{V1}/agents", access=PERSON, tag="agents", answer=Agents,
        summary="All agents", handler=principals.agents,
    ),
    Operation(
        id="addAgent", method="POST", path=f"{V1}/agents", access=ADMIN, tag="agents", body=NewAgent, answer=NewToken,
        status=201, proposes=True,
        summary="Add an agent; its token is in the answer and nowhere else", handler=principals.add_agent,
    ),
    Operation(
        id="rotateAgent", method="POST", path=f"{V1}/agents/{{name}}/rotate", access=ADMIN, tag="agents", body=Empty,
        answer=NewToken, summary="Give an agent a new token", handler=principals.rotate_agent,
    ),
    Operation(
        id="disableAgent", method="POST", path=f"{V1}/agents/{{name}}/disable", access=PERSON, tag="agents", body=Empty,
        answer=Agent, summary="Disable an agent at once", handler=principals.disable_agent, light=True,
    ),
    Operation(
        id="listGrants", method="GET", path=f"{V1}/grants", access=PERSON, tag="grants", answer=Grants,
        summary="All grants", handler=principals.grants,
    ),
    Operation(
        id="addGrant", method="POST", path=f"{V1}/grants", access=ADMIN, tag="grants", body=NewGrant, answer=Grant,
        status=201, proposes=True,
        summary="Give a grant", handler=principals.add_grant,
    ),
    Operation(
        id="revokeGrant", method="DELETE", path=f"{V1}/grants/{{id}}", access=PERSON, tag="grants", answer=Grant,
        summary="Revoke a grant at once", handler=principals.revoke_grant, light=True,
    ),
)  # fmt: skip
