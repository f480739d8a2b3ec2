"""The parts of a change's page that look into it: sample, timeline with proofs, and the policies that decided."""

from typing import Any

from interlock.console.handlers.insight import sample_of, signed_size
from interlock.console.web.visit import Visit
from interlock.model.change import Change
from interlock.model.sample import Rows


async def about(visit: Visit, change: Change, *, reveal: bool = False) -> dict[str, Any]:
    """What the templates `_sample`, `_timeline` and `_grounds` show. Raises Refusal when values are not for this person."""
    service = visit.runtime.insight
    sample = await sample_of(visit.runtime, change.id, visit.person, reveal=reveal)
    return {
        "sample": sample,
        "sample_rows": [part for part in sample.parts if isinstance(part, Rows)],
        "sample_texts": [part for part in sample.parts if not isinstance(part, Rows)],
        "grounds": service.grounds(change),
        **await history(visit, change),
    }


async def history(visit: Visit, change: Change) -> dict[str, Any]:
    """What the template `_timeline` shows."""
    steps = await visit.runtime.insight.timeline(change.id)
    return {"steps": steps, "signed": await signed_size(visit.runtime)}
