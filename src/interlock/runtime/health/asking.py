"""Running one check: it is well, it is not (and why), or nothing could be asked.

Not to be reached is not well. What the other side sent is in no reason that is given.
"""

import decimal
import math
from decimal import Decimal
from typing import Any, assert_never
from urllib.parse import urlencode

import msgspec

from interlock.model.errors import Rejected, Unavailable
from interlock.pipeline.recorded.health import Outcome
from interlock.runtime.health.config import HealthConfig, HttpCheck, PrometheusCheck, SqlCheck
from interlock.runtime.health.web import Busy, NotAsked, Web
from interlock.sdk.connector import Live
from interlock.sdk.probes import Probes

BODY = 64 * 1024
"""Bytes of a body in which a text is looked for."""
REPLY = 1024 * 1024
"""Bytes of the longest answer of a Prometheus server."""

_TRUE, _FALSE = ("t", "true"), ("f", "false")


WELL = Outcome(True)


async def ask(check: HealthConfig, live: Live, web: Web) -> Outcome:
    """Run a check on its target. Raises nothing of what may go wrong out there."""
    try:
        match check.asks:
            case SqlCheck():
                return await _sql(check.asks, check, live)
            case HttpCheck():
                return await _http(check.asks, check, web)
            case PrometheusCheck():
                return await _prometheus(check.asks, check, web)
            case _:
                assert_never(check.asks)
    except (Busy, NotAsked) as error:
        return Outcome(False, trouble=str(error))
    except (Unavailable, Rejected) as error:
        return Outcome(False, str(error))


async def _sql(asks: SqlCheck, check: HealthConfig, live: Live) -> Outcome:
    if not isinstance(live, Probes):
        return Outcome(False, trouble="its connector runs no such statements")
    value = await live.probe(asks.statement, check.timeout)
    if asks.expected and not same(value, asks.expected[0]):
        return Outcome(False, "the value is another than the expected one")
    return WELL


def same(value: str | None, expected: str | None) -> bool:
    """Whether a value of a target is the expected one: truth values and numbers in any spelling, all else exactly."""
    if value is None or expected is None or value == expected:
        return value == expected
    if expected in ("true", "false"):
        return value in (_TRUE if expected == "true" else _FALSE)
    try:
        return Decimal(value) == Decimal(expected)
    except decimal.InvalidOperation:
        return False


async def _http(asks: HttpCheck, check: HealthConfig, web: Web) -> Outcome:
    answer = await web.get(asks.url, asks.headers, check.timeout, BODY if asks.contains else 0)
    if answer.status != asks.status:
        return Outcome(False, f"answers HTTP {answer.status}, not {asks.status}")
    if asks.contains and asks.contains.encode() not in answer.body:
        return Outcome(False, "the answer has not the expected text in it")
    return WELL


# ---- Prometheus: HTTP API, "Instant queries" and "Instant vectors" (prometheus.io/docs/prometheus/latest/querying/api)


class _Sample(msgspec.Struct):
    value: tuple[float, str]


class _Data(msgspec.Struct):
    resultType: str
    result: msgspec.Raw


class _Reply(msgspec.Struct):
    status: str
    data: _Data


async def _prometheus(asks: PrometheusCheck, check: HealthConfig, web: Web) -> Outcome:
    query = urlencode({"query": asks.query, "timeout": f"{int(check.timeout.total_seconds() * 1000)}ms"})
    url = f"{asks.url.rstrip('/')}/api/v1/query?{query}"
    answer = await web.get(url, {"Accept": "application/json", **asks.headers}, check.timeout, REPLY)
    if answer.status != 200:
        return Outcome(False, f"the server answers HTTP {answer.status}")
    if not answer.whole:
        return Outcome(False, "the server's answer is too large")
    try:
        values = values_of(answer.body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Outcome(False, "the server's answer is not that of an instant query")
    return _judged(asks, values)


def values_of(body: bytes) -> list[float]:
    """The numbers of an answer to an instant query. Raises MsgspecError or ValueError for anything else."""
    reply = msgspec.json.decode(body, type=_Reply)
    if reply.status != "success":
        raise ValueError("not a success")
    shape: Any = {"vector": list[_Sample], "scalar": tuple[float, str]}.get(reply.data.resultType)
    if shape is None:
        raise ValueError("neither a vector nor a scalar")
    result = msgspec.json.decode(reply.data.result, type=shape)
    texts = [result[1]] if isinstance(result, tuple) else [sample.value[1] for sample in result]
    return [float(text) for text in texts]


def _judged(asks: PrometheusCheck, values: list[float]) -> Outcome:
    if not values:
        return WELL if asks.no_data_is_well else Outcome(False, "the query gives no data")
    if not all(map(math.isfinite, values)):
        return Outcome(False, "a value is not a finite number")
    if asks.above is not None and max(values) > asks.above:
        return Outcome(False, f"a value is above {asks.above:g}")
    if asks.below is not None and min(values) < asks.below:
        return Outcome(False, f"a value is below {asks.below:g}")
    return WELL
