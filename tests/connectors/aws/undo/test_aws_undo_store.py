"""Plans and outcomes as bytes: the same comes back, and nothing else is taken for one."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from interlock.connectors.aws.undo.plan import ANY, Check, Plan, Step
from interlock.connectors.aws.undo.result import Completed
from interlock.connectors.aws.undo.store import PART_BYTES, mark, pack, unmark, unpack
from interlock.model.errors import Rejected

LEAVES = (
    some.none()
    | some.booleans()
    | some.integers(-(2**63), 2**63 - 1)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text()
    | some.binary()
    | some.datetimes(timezones=some.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))
)
NAMES = some.text(max_size=8) | some.sampled_from(["$bytes", "$time", "$map", "$sha256"])
VALUES = some.recursive(LEAVES, lambda deep: some.lists(deep) | some.dictionaries(NAMES, deep), max_leaves=20)


@given(some.dictionaries(NAMES, VALUES, max_size=4), VALUES, VALUES)
def test_what_is_packed_comes_back(parameters: dict[str, Any], before: Any, after: Any) -> None:
    check = Check("it", "s3", "GetIt", parameters, before=before, after=after)
    step = Step("s3", "PutIt", parameters, unless=check, saves={"a": "B"})
    plan = Plan(
        "full", (step,), (step, step), (check,), {"x": "Y"}, {"arn": "why"}, ("so",), "r", "g", parameters
    )
    assert unpack(pack(plan), Plan) == plan
    completed = Completed(parameters, (check,))
    assert unpack(completed.parts, Completed) == completed


@given(VALUES)
def test_marks_come_off(value: Any) -> None:
    assert unmark(mark(value)) == value


def test_what_is_absent_is_told_from_what_is_not_known() -> None:
    for after in (None, ANY, False, 0, ""):
        check = Check("it", "s3", "GetIt", after=after)
        found = unpack(pack(Completed(checks=(check,))), Completed).checks[0].after
        assert (found, type(found)) == (after, type(after))


def test_parts_are_small() -> None:
    plan = Plan("full", (Step("lambda", "UpdateFunctionCode", {"ZipFile": bytes(2 * PART_BYTES)}),))
    parts = pack(plan)
    assert [len(part) <= PART_BYTES for part in parts] == [True, True, True]
    assert unpack(parts, Plan) == plan


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: "a"}, {"a": {2}}])
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        pack(Plan("full", (Step("s3", "PutIt", {"it": value}),)))


PLAN = Plan(
    "copy", inverse=(Step("s3", "PutObject", {"Body": b"x", "At": datetime(2026, 1, 2, tzinfo=UTC)}),)
)


@given(some.data())
def test_what_was_changed_is_refused(data: some.DataObject) -> None:
    whole = b"".join(pack(PLAN))
    place = data.draw(some.integers(0, len(whole) - 1))
    other = data.draw(some.integers(0, 255).filter(lambda byte: byte != whole[place]))
    for broken in (whole[:place], whole[:place] + bytes([other]) + whole[place + 1 :], whole + b" "):
        with pytest.raises(Rejected):
            unpack((broken,), Plan)


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind": "full", "surprise": 1}',
        b'{"kind": 7}',
        b'{"kind": "full", "saves": {"$bytes": "!"}}',
        b'{"kind": "full", "saves": {"$bytes": "YQ==", "more": 1}}',
        b'{"kind": "full", "saves": {"$other": 1}}',
        b'{"kind": "full", "saves": {"$map": [["a", "b"], ["a", "c"]]}}',
        b'{"kind": "full", "saves": {"$time": "yesterday"}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_plan_is_refused(body: bytes) -> None:
    digest = hashlib.sha256(body).hexdigest()
    head = f'{{"version":1,"what":"Plan","size":{len(body)},"sha256":"{digest}"}}\n'.encode()
    with pytest.raises(Rejected):
        unpack((head + body,), Plan)


def test_one_thing_is_not_taken_for_another() -> None:
    with pytest.raises(Rejected):
        unpack(pack(PLAN), Completed)
