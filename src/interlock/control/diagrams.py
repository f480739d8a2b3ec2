"""docs/states.md, made from the tables. Write it anew with

python -c "from interlock.control.diagrams import page; print(page(), end='')" > docs/states.md
"""

from interlock.control import breaker, change, outbox

_CHANGE = """\
A change is the record of one unit of work. Small, measured, revertible work is permitted at once and goes from `received`
to `executing` in the transaction that records its intent; what needs people is `held`. A crash leaves a change `executing`:
recovery asks the target what happened, and writes what it learns. A proven non-commit gives a used approval back until it
expires. Whoever takes their approval back before it is used lets the change be held again, unless the others suffice.
"""

_BREAKER = """\
A breaker is an admission switch for a scope: everything, an environment, one agent in an environment, a target, an agent, a
session. Opening is automatic or by anyone in charge; only a person moves a breaker back, over probation. A freeze is a flag of
its own beside the state, so that a thaw does not close what tripped meanwhile.
"""

_MESSAGE = """\
A message to people is kept until its channel has taken it. One that fails is tried again, eight times in about a day; then it
is dead: kept until a person has it tried again or drops it. Too many at once are joined into one.
"""


def page() -> str:
    """The whole page."""
    parts = [
        "# State machines\n",
        "These diagrams are made from the tables in `interlock.control`; a test compares them.\n",
        "## Changes\n",
        _CHANGE,
        f"```mermaid\n{change.MACHINE.diagram()}\n```\n",
        "## Breakers\n",
        _BREAKER,
        f"```mermaid\n{breaker.MACHINE.diagram()}\n```\n",
        "## Messages\n",
        _MESSAGE,
        f"```mermaid\n{outbox.MACHINE.diagram()}\n```\n",
    ]
    return "\n".join(parts)
