"""People: their groups and passkeys, who is invited, and whose passkey waits to be confirmed."""

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

import msgspec

from interlock.console.web.visit import Answer, GoTo, Html, Visit
from interlock.model.base import Value
from interlock.model.errors import NotFound, Rejected
from interlock.model.people import Agent, Grant, Person, TicketKind
from interlock.runtime.oidc import links
from interlock.runtime.service.people.enrolment import Enrolment
from interlock.runtime.service.people.entrance import NO_SITE
from interlock.sdk.ports import ReadTx


class Row(Value, frozen=True):
    """A person in the list: `keys` are the passkeys that count."""

    person: Person
    keys: int
    last_at: datetime | None


def _row(person: Person) -> Row:
    keys = [key for key in person.passkeys if key.revoked_at is None]
    used = [key.last_used_at for key in person.passkeys if key.last_used_at is not None]
    return Row(person, len(keys), max(used, default=None))


async def listed(visit: Visit) -> Answer:
    """Everyone, and who waits to be confirmed."""

    def read(tx: ReadTx) -> tuple[Sequence[Person], Sequence[Enrolment], Sequence[links.Link]]:
        return tx.people(), _waiting(tx), links.waiting(tx)

    people, waiting, logins = await visit.runtime.store.read(read)
    quorums = visit.runtime.terms.quorums.values()
    groups = {"admin", *(q.group for q in quorums), *(group for p in people for group in p.groups)}
    return Html(
        "people/list.html",
        {
            "rows": sorted(map(_row, people), key=lambda row: (row.person.disabled, row.person.name)),
            "waiting": waiting,
            "logins": logins,
            "groups": sorted(groups),
            "why": "" if visit.runtime.terms.site is not None else NO_SITE,
        },
    )


def _waiting(tx: ReadTx, person: str = "") -> list[Enrolment]:
    return [msgspec.json.decode(t.data, type=Enrolment) for t in tx.tickets(TicketKind.ENROLMENT, person)]


class _Read(Value, frozen=True):
    person: Person
    waiting: tuple[Enrolment, ...]
    agents: tuple[Agent, ...]
    given: tuple[Grant, ...]
    now: datetime


async def shown(visit: Visit) -> Answer:
    """One person."""
    name = visit.path["name"]

    def read(tx: ReadTx) -> _Read:
        person = tx.person(name)
        if person is None:
            raise NotFound(f"there is no person {name}")
        owned = tuple(a for a in tx.agents() if name in (a.owner, *a.past_owners))
        given = tuple(g for g in tx.grants() if g.granted_by == name)
        return _Read(person, tuple(_waiting(tx, name)), owned, given, tx.now())

    found = await visit.runtime.store.read(read)
    return Html(
        "people/one.html",
        {
            "person": found.person,
            "row": _row(found.person),
            "waiting": found.waiting,
            "agents": found.agents,
            "given": sorted(found.given, key=lambda g: g.created_at, reverse=True)[:50],
            "now": found.now,
        },
    )


async def disabled(visit: Visit) -> Answer:
    """Nothing that they sign counts from now on, and their sessions end."""
    person = await visit.runtime.people.disable(visit.path["name"], by=visit.by)
    return GoTo(_address(person.name))


async def revoked(visit: Visit) -> Answer:
    """A passkey counts no more, and the sessions of its person end: one's own as well."""
    person = await visit.runtime.enrolments.revoke(visit.path["name"], visit.path["id"], by=visit.by)
    return GoTo(_address(person.name))


async def invited(visit: Visit) -> Answer:
    """A link with which somebody makes a passkey. It is on this answer, and nowhere else."""
    person = visit.form.get("person", "").strip()
    groups = [group for group in re.split(r"[\s,]+", visit.form.get("groups", "")) if group]
    if not person:
        raise Rejected("say who is invited")
    secret = await visit.runtime.enrolments.invite(person, groups, by=visit.by)
    link = f"{visit.runtime.entrance.site.origin}/console/enrol#{secret}"
    return Html("people/invited.html", {"person": person, "link": link})


async def confirmed(visit: Visit) -> Answer:
    """Let a passkey count, by the code that its maker told."""
    code = visit.form.get("code", "")
    person = await visit.runtime.enrolments.confirm(visit.path["name"], code, by=visit.by)
    return GoTo(_address(person.name))


async def linked(visit: Visit) -> Answer:
    """Let a login at the provider count, as somebody new or as somebody's who was invited."""
    groups = [group for group in re.split(r"[\s,]+", visit.form.get("groups", "")) if group]
    name, code = visit.form.get("person", "").strip(), visit.form.get("code", "")
    person = await visit.runtime.enrolments.confirm(name, code, groups, by=visit.by)
    return GoTo(_address(person.name))


async def unlinked(visit: Visit) -> Answer:
    """A login lets nobody in any more, and the sessions of its person end: one's own as well."""
    sub = visit.form.get("sub", "")
    person = await visit.runtime.enrolments.unlink(visit.path["name"], sub, by=visit.by)
    return GoTo(_address(person.name))


def _address(person: str) -> str:
    return f"/console/people/{quote(person, safe='')}"
