"""What the API gives of a change's history."""

from interlock.model.base import Value
from interlock.runtime.service.deciding.insight import Step


class Timeline(Value, frozen=True):
    """The ledger's entries about a change, in order. Of those whose index is below `signed` there is a proof
    (`GET /api/v1/ledger/proof`)."""

    steps: tuple[Step, ...]
    signed: int
