"""Break-glass: one named person stands for a quorum, for one change or for a short time on one target, and answers for it after."""

from datetime import datetime

from interlock.model.base import Value
from interlock.model.change import Approval


class BreakGlass(Value, frozen=True):
    """One use. `approval` is the person's signed word; its statement names the change, or none for the whole target. It stays
    unreviewed until another person has written `review` about it; `review_approval` is their signature, if they gave one."""

    id: str
    approval: Approval
    environment: str
    at: datetime
    until: datetime
    reviewed_by: str = ""
    reviewed_at: datetime | None = None
    review: str = ""
    review_approval: Approval | None = None

    @property
    def person(self) -> str:
        return self.approval.statement.person

    @property
    def change(self) -> str:
        """The one change; empty when it is for the target."""
        return self.approval.statement.change

    @property
    def target(self) -> str:
        return self.approval.statement.target

    @property
    def reason(self) -> str:
        return self.approval.statement.reason
