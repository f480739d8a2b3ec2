"""The budget of previews that lead to nothing."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from interlock.control import limits

NOW = datetime(2026, 3, 4, tzinfo=UTC)


def test_a_burst_then_one_for_each_interval() -> None:
    bucket = limits.full(NOW)
    for _ in range(limits.PREVIEW_BURST):
        assert limits.may_preview(bucket, NOW)
        bucket = limits.charge(bucket, NOW)
    assert not limits.may_preview(bucket, NOW)
    assert limits.may_preview(bucket, NOW + limits.PREVIEW_EVERY)
    assert not limits.may_preview(bucket, NOW + limits.PREVIEW_EVERY - timedelta(milliseconds=1))


def test_previews_at_the_same_time_are_paid_back_first() -> None:
    bucket = limits.full(NOW)
    for _ in range(limits.PREVIEW_BURST + 2):
        bucket = limits.charge(bucket, NOW)
    assert not limits.may_preview(bucket, NOW + 2 * limits.PREVIEW_EVERY)
    assert limits.may_preview(bucket, NOW + 3 * limits.PREVIEW_EVERY)


@given(st.lists(st.integers(-5000, 5000), max_size=50))
def test_never_more_than_a_burst_and_a_clock_that_went_back_adds_nothing(steps: list[int]) -> None:
    bucket, at = limits.full(NOW), NOW
    for step in steps:
        at += timedelta(milliseconds=step)
        after = limits.charge(bucket, at)
        assert after.level < limits.full(NOW).level
        if at <= bucket.at:
            assert after.level < bucket.level
        bucket = after
