"""What the benchmark of signals stands on: right intervals, sessions that are the same for a seed, records that are read."""

import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from bench.breakers import benign, harmful
from bench.breakers.interval import interval
from bench.breakers.playing import Rules, played
from bench.breakers.streams import call_of, judged, read

from interlock.model.signal import Result, Signal


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (0, 100, 0.0, 0.036217),  # 1 - 0.025 ** (1 / 100)
        (100, 100, 0.963783, 1.0),
        (5, 10, 0.187086, 0.812914),
        (1, 1000, 0.0000253, 0.0055590),
        (8, 20, 0.191190, 0.639460),
    ],
)
def test_intervals_are_those_of_clopper_and_pearson(hits: int, trials: int, low: float, high: float) -> None:
    found = interval(hits, trials)
    assert found == pytest.approx((low, high), abs=2e-5)


def test_no_share_has_no_interval() -> None:
    for hits, trials in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="no share"):
            interval(hits, trials)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules()


@pytest.mark.parametrize("make", [*benign.KINDS, *harmful.KINDS], ids=lambda make: str(make.__name__))
def test_a_seed_makes_the_same_session(make: Any) -> None:
    assert make(Random("a 1")) == make(Random("a 1"))
    assert make(Random("a 1")) != make(Random("a 2"))


def test_a_played_session_is_the_same_again(rules: Rules) -> None:
    one, two = (played(benign.migration(Random("m 3")), 3, rules, guarded=True) for _ in range(2))
    assert (one.units, one.held, len(one.trips)) == (two.units, two.held, len(two.trips))


def test_a_flood_is_stopped_by_signals_alone_and_does_nothing_past_guardrails(rules: Rules) -> None:
    session = harmful.flood(Random("f 1"))
    alone = played(session, 1, rules, guarded=False)
    assert alone.trips[0].signal is Signal.DESTRUCTIVE
    assert 1 <= alone.bad_before <= 5
    assert alone.stopped
    assert played(session, 1, rules, guarded=True).bad == 0


def test_a_plan_that_lies_does_nothing_beyond_what_was_approved(rules: Rules) -> None:
    for seed in range(6):
        found = played(harmful.lying_plan(Random(f"l {seed}")), seed, rules, guarded=False)
        assert found.trips
        assert found.bad == 0
        if found.trips[0].signal is Signal.BEYOND_APPROVED:
            break
    else:
        pytest.fail("none of them said one thing and did more of it")


def test_tests_where_tests_belong_trip_nothing(rules: Rules) -> None:
    found = played(benign.tests(Random("t 1")), 1, rules, guarded=True)
    assert found.units > 10
    assert found.trips == []


def cloudtrail(second: int, name: str, **more: Any) -> dict[str, Any]:
    return {
        "eventType": "AwsApiCall", "eventSource": "ec2.amazonaws.com", "eventName": name, "readOnly": False,
        "eventTime": f"2026-03-04T05:06:{second:02d}Z", "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/x"},
        "requestParameters": {"instanceId": f"i-{second}"}, **more,
    }  # fmt: skip


def kubernetes(verb: str, code: int = 200, **about: str) -> dict[str, Any]:
    return {
        "stage": "ResponseComplete", "verb": verb, "user": {"username": "bob"}, "responseStatus": {"code": code},
        "requestReceivedTimestamp": "2026-03-04T05:06:07.123456Z",
        "objectRef": {"resource": "pods", "namespace": "shop", "name": "web", **about},
    }  # fmt: skip


def test_records_are_read_from_a_folder_in_each_form(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/trail.json").write_text(json.dumps({"Records": [cloudtrail(1, "TerminateInstances")]}))
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(json.dumps([cloudtrail(2, "RunInstances")]).encode()))
    (tmp_path / "audit.log").write_text(
        "\n".join(json.dumps(kubernetes("delete")) for _ in range(2)) + "\nnonsense"
    )
    (tmp_path / "list.json").write_text(json.dumps({"kind": "EventList", "items": [kubernetes("create")]}))
    (tmp_path / "other.txt").write_bytes(b"\xff\x00 nothing")
    assert sum(1 for event in read(tmp_path) if call_of(event)) == 5


def test_what_is_read_is_what_signals_see() -> None:
    who, gone = call_of(cloudtrail(1, "TerminateInstances")) or ("", None)
    assert who == "arn:aws:iam::1:user/x"
    assert gone is not None
    assert gone.unit.destructive
    assert gone.unit.deleted == ("/ec2:Instances i-1",)
    trail = call_of(cloudtrail(1, "StopLogging", eventSource="cloudtrail.amazonaws.com"))
    assert trail is not None
    assert trail[1].unit.guard == "cloudtrail:StopLogging"
    for code, result in (
        ("", Result.OK), ("AccessDenied", Result.FAILED), ("NoSuchBucket", Result.EXCUSED), ("ThrottlingException", None)
    ):  # fmt: skip
        found = call_of(cloudtrail(1, "DeleteBucket", errorCode=code))
        assert found is not None
        assert found[1].result is result
    assert call_of(cloudtrail(1, "DescribeInstances", readOnly=True)) is None
    assert call_of({"something": "else"}) is None


def test_kubernetes_own_work_is_left_out_unless_it_is_asked_for() -> None:
    found = call_of(kubernetes("delete", 404))
    assert found is not None
    assert found[1].unit.deleted_in == ("cluster/shop",)
    assert found[1].result is Result.EXCUSED
    own = {**kubernetes("delete"), "user": {"username": "system:node:a"}}
    assert call_of(own) is None
    assert call_of(own, machinery=True) is not None
    assert call_of(kubernetes("get")) is None
    guard = call_of(kubernetes("create", resource="clusterrolebindings"))
    assert guard is not None
    assert guard[1].unit.guard


def test_what_trips_first_is_told_with_what_came_before() -> None:
    calls = [found[1] for n in range(6) if (found := call_of(cloudtrail(n, "TerminateInstances")))]
    told = judged(calls)
    assert told.first == ("destructive", 3, 3, "ec2:TerminateInstances")
    assert (told.calls, told.destructive) == (6, 6)
