"""Changes: the list, one change, and what a person is about to sign of it."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from interlock.console.problems import Refusal
from interlock.console.web.views import insight
from interlock.console.web.visit import Answer, Data, GoTo, Html, Visit
from interlock.control.change import MACHINE, OPEN, E
from interlock.control.deciding import approval
from interlock.control.deciding import shown as exact
from interlock.control.deciding.quorum import conflict_of_interest
from interlock.model.beside import side_by_side
from interlock.model.break_glass import BreakGlass
from interlock.model.change import Change, ChangeFilter, ChangeState, Verdict
from interlock.model.effect import totals
from interlock.model.errors import Rejected
from interlock.model.ids import parse_change_id
from interlock.model.operation import Action
from interlock.model.proposal import INTERLOCK
from interlock.model.search import typed_words
from interlock.model.visible import oddities
from interlock.runtime.service.deciding.changes import ChangeView
from interlock.sdk.connector import Held, Permitted, Refused
from interlock.sdk.ports import ReadTx

PER_PAGE = 50
_FILTERS = ("state", "agent", "target", "environment", "action", "since", "until", "q")


async def listed(visit: Visit) -> Answer:
    """Changes, newest first, filtered by what the address says."""
    query = {name: visit.query.get(name, "").strip() for name in _FILTERS}
    kept = {name: value for name, value in query.items() if value}
    if list(kept) == ["q"] and (one := await _named(visit, kept["q"])):
        return GoTo(f"/console/changes/{one}")
    found = await visit.runtime.changes.listing(_filter(query, visit.query.get("before", "")))
    older = f"/console/changes?{urlencode({**kept, 'before': found.next})}" if found.next else ""
    return Html(
        "changes.html",
        {
            "changes": found.changes,
            "older": older,
            "searched_to": found.searched_to,
            "query": query,
            "states": list(ChangeState),
            "actions": list(Action),
        },
    )


async def _named(visit: Visit, typed: str) -> str:
    """The change whose id somebody typed, in any form; empty when it is none, or of no change."""
    try:
        wanted = parse_change_id(typed)
    except ValueError:
        return ""
    found = await visit.runtime.store.read(lambda tx: tx.change(wanted))
    return found.id if found is not None else ""


def _filter(query: dict[str, str], before: str) -> ChangeFilter:
    """Raises Refusal for what is no state, action or time."""
    try:
        return ChangeFilter(
            states=(ChangeState(query["state"]),) if query["state"] else (),
            agent=query["agent"],
            target=query["target"],
            environment=query["environment"],
            since=_day(query["since"]),
            until=_day(query["until"]),
            before=parse_change_id(before) if before else "",
            limit=PER_PAGE,
            action=Action(query["action"]) if query["action"] else None,
            words=typed_words(query["q"]),
        )
    except ValueError:
        raise Refusal("invalid", "a filter is none that there is") from None


def _day(text: str) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


async def shown(visit: Visit) -> Answer:
    """One change, with all that a decision needs. A proposal has a page of its own kind."""
    return await _page(visit)


async def revealed(visit: Visit) -> Answer:
    """The same with the values of its sample. A script takes that part of it; without one it is a page of its own."""
    return await _page(visit, reveal=True)


async def masked_again(visit: Visit) -> Answer:
    """Whoever loads that page once more: values are shown when they are asked for, each time."""
    return GoTo(f"/console/changes/{id_of(visit)}")


async def _page(visit: Visit, *, reveal: bool = False) -> Answer:
    view = await visit.runtime.changes.show(id_of(visit))
    change, effects = view.change, view.change.measurement.effects
    if change.target == INTERLOCK:
        return GoTo(f"/console/proposals/{change.id}")
    return Html(
        "change.html",
        {
            **await deciding(visit, view),
            "effects": effects,
            "totals": {k: v for k, v in msgspec.to_builtins(totals(effects)).items() if v},
            "lost": [e for e in effects if not e.reversible and e.count],
            "odd": [o for text in (*(view.statements or ()), change.reason) for o in oddities(text)],
            "beside": _beside(view),
            "connector": visit.runtime.connector_of(change.target),
            **await insight.about(visit, change, reveal=reveal),
        },
    )


async def deciding(visit: Visit, view: ChangeView) -> dict[str, Any]:
    """What the parts of a page show by which people decide: who has spoken, who is missing, and what this person can do."""
    change, me = view.change, visit.person

    def read(tx: ReadTx) -> tuple[str, BreakGlass | None]:
        conflict = conflict_of_interest(me, tx.agent(change.agent), tx.grants(), change)
        return conflict, tx.break_glass(change.break_glass) if change.break_glass else None

    conflict, broken = await visit.runtime.store.read(read)
    open_now = change.state in OPEN
    ours = change.target == INTERLOCK
    mine = [a.statement for a in view.approvals if a.statement.person == me]
    return {
        "view": view,
        "change": change,
        "conflict": conflict,
        "broken": broken,
        "spoken": bool(mine),
        "mine": any(words.verdict is Verdict.APPROVE for words in mine),
        "open": open_now,
        "revertible": MACHINE.allows(change.state, E.REVERT) and not ours,
        "remedies": approval.remedies(change),
        "glass": open_now and me in visit.runtime.terms.break_glass.people and not conflict and not ours,
    }


def _beside(view: ChangeView) -> tuple[object, ...]:
    if view.replaced is None:
        return ()
    return side_by_side(view.replaced.measurement.effects, view.change.measurement.effects)


async def sign(visit: Visit) -> Answer:
    """The exact text of what is to be signed; the browser hashes it, and a passkey signs."""
    change_id, what, reason = (
        id_of(visit),
        visit.form.get("what", ""),
        visit.form.get("reason", "").strip()[:500],
    )
    service, me = visit.runtime.changes, visit.person
    force = bool(visit.form.get("force"))
    if what == "break-glass":
        words, plan = await visit.runtime.break_glass.statement(me, reason, change=change_id), None
    elif what == "revert":
        words = await service.revert_statement(change_id, me, force=force, reason=reason)
        plan = await service.revert_plan(change_id, force=force)
    else:
        if what not in ("approve", "deny"):
            raise Refusal("invalid", "approve, deny, revert or break-glass")
        if what == "deny" and not reason:
            raise Rejected("say why: the agent is told")
        words, plan = await service.statement(change_id, me, Verdict(what), reason), None
    view = await service.show(change_id)
    return Html(
        "sign.html",
        {
            "change": view.change,
            "what": what,
            "force": force,
            "text": exact.text_of(view.change, view.statements, words),
            "statement": msgspec.to_builtins(words),
            **await visit.signing(),
            "plan": plan,
            "lost": [e for e in view.change.measurement.effects if not e.reversible and e.count],
        },
    )


async def opened(visit: Visit) -> Answer:
    """A script says that the effect is on screen: from now on it can be approved."""
    review = await visit.runtime.changes.opened(id_of(visit), visit.person)
    return Data({"opened": review.opened_at})


async def taken_back(visit: Visit) -> Answer:
    """Take the own approval back, as long as it was not used."""
    change_id, why = id_of(visit), visit.form.get("reason", "").strip()[:500]
    await visit.runtime.changes.take_back(change_id, visit.person, why, by=visit.by)
    return GoTo(f"/console/changes/{change_id}")


async def commented(visit: Visit) -> Answer:
    """Write something beside a change."""
    change_id = id_of(visit)
    await visit.runtime.changes.comment(change_id, visit.form.get("text", ""), by=visit.by)
    return GoTo(f"/console/changes/{change_id}#comments")


async def applied(visit: Visit) -> Answer:
    """Apply an approved change now, for its agent."""
    answer = await visit.runtime.changes.apply(id_of(visit), by=visit.by)
    match answer:
        case Permitted() | Held():
            return GoTo(f"/console/changes/{_of(answer, visit)}")
        case Refused(why=why, people=people):
            raise Rejected(f"{why}. {people}" if people else why)


async def withdrawn(visit: Visit) -> Answer:
    """Take back an open change: nobody can approve or use it any more."""
    change = await visit.runtime.changes.withdraw(
        id_of(visit), visit.form.get("reason", "").strip()[:500] or "withdrawn", by=visit.by
    )
    return GoTo(f"/console/changes/{change.id}")


async def reviewed(visit: Visit) -> Answer:
    """Say what one thinks of somebody else's break-glass."""
    await visit.runtime.break_glass.review(
        visit.path["id"], visit.person, visit.form.get("sentence", ""), by=visit.by
    )
    return GoTo("/console/")


def _of(answer: Permitted | Held, visit: Visit) -> str:
    change: Change | None = answer.change
    return change.id if change is not None else id_of(visit)


def id_of(visit: Visit) -> str:
    """The change that the address names, however it is typed. Raises Refusal."""
    try:
        return parse_change_id(visit.path["id"])
    except ValueError:
        raise Refusal("not_found", "there is no such change") from None
