"""What holding, doing and undoing cost where much hangs on one call. moto answers a few hundred questions a second, AWS itself some
thousands: what is counted (questions asked) says more than the time."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from bench.aws.counting import Counting
from bench.aws.effort import Effort
from bench.measure import Row, Table
from interlock.model.change import ChangeState
from interlock.runtime.rules import directory
from interlock.sdk.connector import Permitted
from interlock.testing import served
from interlock.testing.peers.moto import AwsGateway, MotoServer

_PATIENCE_S = 900.0
"""Seconds for one call: a thousand objects are some thousand questions, and moto answers one after the other."""


class Bench:
    """A gateway in front of moto, with what is between them counting."""

    def __init__(self, moto: MotoServer, aws: Counting, gateway: AwsGateway) -> None:
        self.moto, self.aws, self.gateway = moto, aws, gateway

    def timed(self, work: Callable[[], object]) -> tuple[float, int]:
        """Seconds, and questions to AWS."""
        before, begun = self.aws.count, time.perf_counter()
        work()
        return time.perf_counter() - begun, self.aws.count - before

    def client(self, service: str) -> Any:
        return self.gateway.client(service, read_timeout=_PATIENCE_S, retries={"total_max_attempts": 1})


@contextmanager
def _bench(folder: Path) -> Iterator[Bench]:
    directory.STALE = served.PATIENCE_S = _PATIENCE_S
    with MotoServer.start() as moto, Counting(moto.port) as aws:
        keys = {"limits": {"answer_timeout_s": int(_PATIENCE_S)}}
        with AwsGateway(f"http://127.0.0.1:{aws.port}", folder, keys=keys) as gateway:
            live: Any = gateway.runtime.targets[gateway.target].live
            live.preview_s = _PATIENCE_S
            yield Bench(moto, aws, gateway)


def holding(effort: Effort, folder: Path) -> Table:
    """A stack deleted, held, done and brought back; all objects of a bucket likewise."""
    table = Table("Holding, doing and undoing much at once, against moto")
    with _bench(folder) as bench:
        _stack(bench, effort.resources, table)
    with _bench(folder / "bucket") as bench:
        _bucket(bench, effort.objects, effort.batch, table)
    table.remarks.append(
        "moto is one process that this machine's cores are shared with; the questions are those of the gateway and the calls "
        "sent on."
    )
    return table


def _row(table: Table, name: str, found: tuple[float, int]) -> None:
    table.rows.append(
        Row(name, "s", {"median": found[0]}, more_is_better=False, note=f"{found[1]:,} questions")
    )


def _through(bench: Bench, table: Table, what: str, call: Callable[[], object]) -> None:
    """One call that is held, approved, done and reverted."""
    _row(table, f"{what}: held", bench.timed(lambda: _held(call)))
    (change,) = bench.gateway.changes(ChangeState.HELD)
    bench.gateway.approve(change.id)
    _row(table, f"{what}: done", bench.timed(call))
    _row(table, f"{what}: undone", bench.timed(lambda: _reverted(bench, change.id)))


def _held(call: Callable[[], object]) -> None:
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
    else:
        code = "done"
    if code != "InterlockHeld":
        raise RuntimeError(f"it was not held: {code}")


def _reverted(bench: Bench, change: str) -> None:
    gateway = bench.gateway
    gateway.run(gateway.runtime.core.tasks.drain(_PATIENCE_S))
    answer = gateway.revert(change)
    if not isinstance(answer, Permitted):
        raise RuntimeError(f"it was not reverted: {answer}")


def _stack(bench: Bench, resources: int, table: Table) -> None:
    kinds = {
        "AWS::SQS::Queue": lambda n: {"QueueName": f"bench-{n}"},
        "AWS::SNS::Topic": lambda n: {"TopicName": f"bench-{n}"},
        "AWS::S3::Bucket": lambda n: {"BucketName": f"bench-{n}"},
        "AWS::Logs::LogGroup": lambda n: {"LogGroupName": f"bench-{n}"},
    }
    names = list(kinds)
    made = {
        f"R{n}": {"Type": names[n % len(names)], "Properties": kinds[names[n % len(names)]](n)}
        for n in range(resources)
    }
    direct = bench.moto.client("cloudformation")
    direct.create_stack(StackName="bench", TemplateBody=json.dumps({"Resources": made}))
    client = bench.client("cloudformation")
    _through(
        bench, table, f"DeleteStack of {resources} resources", lambda: client.delete_stack(StackName="bench")
    )


def _bucket(bench: Bench, objects: int, batch: int, table: Table) -> None:
    direct = bench.moto.client("s3")
    direct.create_bucket(Bucket="bench")
    for number in range(objects):
        direct.put_object(Bucket="bench", Key=f"{number:06}", Body=b"x" * 100)
    client = bench.client("s3")
    totals = [[0.0, 0], [0.0, 0], [0.0, 0]]
    for begin in range(0, objects, batch):
        keys = [{"Key": f"{number:06}"} for number in range(begin, begin + batch)]
        call = lambda keys=keys: client.delete_objects(Bucket="bench", Delete={"Objects": keys})  # noqa: E731
        part = Table("")
        _through(bench, part, "", call)
        for total, row in zip(totals, part.rows, strict=True):
            total[0] += row.medians["median"]
            total[1] += int(row.note.split(" ")[0].replace(",", ""))
    for (seconds, count), name in zip(totals, ("held", "done", "undone"), strict=True):
        title = f"{objects:,} objects deleted, {batch:,} a call: {name}"
        _row(table, title, (seconds, int(count)))
