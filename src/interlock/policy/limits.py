"""The numbers of the default guardrails."""

from interlock.model.base import Value
from interlock.model.errors import Misconfigured


class Limits(Value, frozen=True, omit_defaults=False):
    """Beyond these, a change in a strict environment needs the quorum. Rows are counted per unit of work; shares are whole percents
    of a table of 10 rows or more (10.1 % is beyond 10). Messages that are sent, or taken from a queue for good, can't be taken
    back: none passes unless a team says so. Raises Misconfigured for anything but whole numbers of 0 and more."""

    rows_deleted: int = 100
    share_deleted: int = 10
    rows_updated: int = 1_000
    share_updated: int = 30
    messages_sent: int = 0
    messages_taken: int = 0
    quorum: str = "two-sre"

    def __post_init__(self) -> None:
        for name in self.__struct_fields__[:-1]:
            number = getattr(self, name)
            # Cedar has no floats, and True is an int in Python.
            if type(number) is not int or not 0 <= number < 1 << 63:
                raise Misconfigured(
                    f"guardrail limit {name} must be a whole number of 0 or more, not {number!r}"
                )
        if not self.quorum:
            raise Misconfigured("guardrail limit quorum must name a quorum")
