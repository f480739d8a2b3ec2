"""Recovery: intents without an outcome are asked of their target, and what truly happened is recorded with the everyday code.

It runs at the start and from time to time. A change that another living gateway is executing is not touched: `ListUnsettled`
leaves it out. A crash during recovery changes nothing: it is asked again.
"""

from interlock.model.base import Value
from interlock.model.change import Change
from interlock.pipeline import commands as c
from interlock.pipeline.commands import Steps, ask
from interlock.pipeline.doubt import log_error
from interlock.pipeline.finish import settle


class Recovered(Value, frozen=True):
    """What recovery did: changes whose outcome is known now, and those still in doubt."""

    resolved: tuple[Change, ...]
    in_doubt: tuple[Change, ...]


def recover() -> Steps[Recovered]:
    """Resolve what can be resolved."""
    resolved: list[Change] = []
    in_doubt: list[Change] = []
    for change in (yield from ask(c.ListUnsettled())):
        settled = yield from settle(change, "the target could not be asked")
        try:
            after = yield from ask(c.Conclude(change, settled, recovered=True))
        except Exception as error:  # noqa: BLE001  # one that cannot be recorded must not keep the others from it
            yield from log_error("recover", error, change.id)
            after = change
        (in_doubt if settled.committed is None or after is change else resolved).append(after)
    return Recovered(tuple(resolved), tuple(in_doubt))
