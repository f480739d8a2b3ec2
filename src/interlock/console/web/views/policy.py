"""Policy in plain words with its text beside, and a simulator that saves nothing."""

from itertools import groupby

from interlock.console.problems import Refusal
from interlock.console.web.visit import Answer, Html, Visit
from interlock.model.base import Value
from interlock.model.change import ChangeFilter
from interlock.model.errors import InterlockError, Misconfigured, Rejected
from interlock.model.ids import parse_change_id
from interlock.model.people import Grant
from interlock.policy import grants as compiled
from interlock.policy import shipped
from interlock.policy.load import Policy
from interlock.runtime.service.deciding.simulation import MOST_TEXT, NEW_FILE, Simulated

MOST_GRANTS = 500
"""Most grants on the page; all of them are with their agents."""
_EXAMPLE = """\
@id("a-name")
@remedy("quorum:{quorum}")
@description("What it says, for people.")
forbid (principal, action, resource)
when {{ resource.strict && context.effects.rows_deleted > 10 }}
unless {{ context.evidence.quorums.contains("{quorum}") }};
"""


class Granted(Value, frozen=True):
    """A grant, its permit in Cedar, and whether it has ended."""

    grant: Grant
    text: str
    over: bool


class Limit(Value, frozen=True):
    """What the grants of an agent on a target limit, by the id that decisions name."""

    id: str
    agent: str
    target: str
    text: str


async def shown(visit: Visit) -> Answer:
    """Every guardrail and grant in force."""
    engine, now = visit.runtime.core.policies.engine, visit.runtime.core.directory.now()
    files = [(file, list(found)) for file, found in groupby(engine.policies.values(), _file)]
    granted = [
        Granted(grant, compiled.permit(grant), grant.expires_at <= now)
        for pair in engine.pairs.values()
        for grant in pair
    ]
    limits = [
        Limit(f"{compiled.LIMIT}{agent}@{target}", agent, target, text)
        for (agent, target), pair in sorted(engine.pairs.items())
        if (text := compiled.limits(agent, target, pair))
    ]
    return Html(
        "policy/shown.html",
        {
            "files": files,
            "invariants": shipped.INVARIANTS,
            "grants": sorted(granted, key=lambda g: (g.over, g.grant.agent, g.grant.target))[:MOST_GRANTS],
            "more_grants": len(granted) - MOST_GRANTS,
            "limits": limits[:MOST_GRANTS],
            "digest": engine.digest,
            "broken": visit.runtime.core.policies.broken,
            "guardrails": visit.runtime.config.guardrails,
            "rejected": engine.rejected_grants,
        },
    )


def _file(policy: Policy) -> str:
    return policy.file


async def simulator(visit: Visit) -> Answer:
    """The form: a past change, and a file of policies to edit."""
    query = visit.query
    file = query.get("file", "")
    texts = visit.runtime.simulation.texts()
    if file not in texts and file not in ("", NEW_FILE):
        raise Refusal("not_found", "there is no such policy file")
    text = texts.get(file) or _EXAMPLE.format(quorum=next(iter(visit.runtime.terms.quorums), "NAME"))
    return await _simulator(visit, query.get("change", ""), file or NEW_FILE, text)


async def simulated(visit: Visit) -> Answer:
    """The decision now and under the edited text. Nothing is saved; what is wrong with the text is shown."""
    form = visit.form
    change, file, text = form.get("change", "").strip(), form.get("file", ""), form.get("text", "")
    if file not in (*visit.runtime.simulation.texts(), NEW_FILE):
        raise Refusal("not_found", "there is no such policy file")
    try:
        done = await visit.runtime.simulation.run(_id(change), file, text.replace("\r\n", "\n"))
    except Misconfigured as error:
        return await _simulator(visit, change, file, text, wrong=str(error))
    except (InterlockError, Refusal) as error:
        return await _simulator(visit, change, file, text, why=str(error))
    return await _simulator(visit, change, file, text, done=done)


def _id(text: str) -> str:
    try:
        return parse_change_id(text)
    except ValueError:
        raise Rejected("name a change: CHG- and eight characters") from None


async def _simulator(
    visit: Visit,
    change: str,
    file: str,
    text: str,
    *,
    done: Simulated | None = None,
    wrong: str = "",
    why: str = "",
) -> Answer:
    lately = await visit.runtime.changes.list(ChangeFilter(limit=50))
    return Html(
        "policy/simulator.html",
        {
            "change": change,
            "file": file,
            "files": [*visit.runtime.simulation.texts(), NEW_FILE],
            "new_file": NEW_FILE,
            "text": text,
            "most": MOST_TEXT,
            "lately": lately,
            "done": done,
            "wrong": wrong,
            "why": why,
        },
        422 if wrong or why else 200,
    )
