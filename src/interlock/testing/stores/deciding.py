"""The part of the store in memory that is about deciding: approvals taken back, reviews,
break-glass."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from interlock.control.change import OPEN, UNSETTLED
from interlock.model.break_glass import BreakGlass
from interlock.model.change import Approval, Review, TakenBack
from interlock.model.errors import NotFound


@dataclass
class Decided:
    """The tables. Values are frozen, so a copy of the containers is a snapshot."""

    taken_back: dict[str, tuple[TakenBack, ...]] = field(default_factory=dict)
    reviews: dict[tuple[str, str], Review] = field(default_factory=dict)
    glasses: dict[str, BreakGlass] = field(default_factory=dict)


class DecidingReads:
    """Reads over `Decided`."""

    _t: Any
    _now: datetime

    def taken_back(self, change_id: str) -> Sequence[TakenBack]:
        found: tuple[TakenBack, ...] = self._t.taken_back.get(change_id, ())
        return found

    def review(self, change_id: str, person: str) -> Review | None:
        found: Review | None = self._t.reviews.get((change_id, person))
        return found

    def reviews(self, person: str, since: datetime) -> Sequence[Review]:
        found = [(r.approved_at, r) for r in self._t.reviews.values() if r.person == person and r.approved_at]
        newest = sorted((pair for pair in found if pair[0] >= since), key=lambda pair: pair[0], reverse=True)
        return [review for _, review in newest[:1000]]

    def break_glass(self, glass_id: str) -> BreakGlass | None:
        found: BreakGlass | None = self._t.glasses.get(glass_id)
        return found

    def break_glasses(self) -> Sequence[BreakGlass]:
        newest = sorted(self._t.glasses.values(), key=lambda g: (-g.at.timestamp(), g.id))
        return sorted(newest, key=lambda g: bool(g.reviewed_by))[:1000]

    def break_glasses_in_force(self) -> Sequence[BreakGlass]:
        return [
            self._t.glasses[key] for key in sorted(self._t.glasses) if self._t.glasses[key].until > self._now
        ]


class DecidingWrites(DecidingReads):
    """Writes."""

    def take_back_approval(self, change_id: str, person: str, nonce: str) -> Approval:
        given: list[Approval] = self._t.approvals.get(change_id, [])
        for approval in given:
            if (approval.statement.person, approval.statement.nonce) == (person, nonce):
                given.remove(approval)
                self._t.taken_back[change_id] = (*self.taken_back(change_id), TakenBack(approval, self._now))
                return approval
        raise NotFound(f"{person} has not spoken about {change_id}")

    def put_break_glass(self, glass: BreakGlass) -> None:
        self._t.glasses[glass.id] = msgspec.json.decode(msgspec.json.encode(glass), type=BreakGlass)
        self._t.revision += 1

    def forget_reviews(self, before: datetime) -> None:
        changes, going_on = self._t.changes, (*OPEN, *UNSETTLED)
        for key in list(self._t.reviews):
            change = changes.get(key[0])
            if change is not None and change.state not in going_on and change.updated_at < before:
                del self._t.reviews[key]

    def put_review(self, review: Review) -> None:
        self._t.reviews[review.change, review.person] = review
