"""Asking real peers that are well, unwell, slow or hostile: what comes of it, in our own words."""

import asyncio
import contextlib
import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtime.health.health_kit import SECOND, Site, outcome, raw_server

from interlock.connectors.postgres.client.config import UpstreamConfig
from interlock.connectors.postgres.target.probe import probe
from interlock.model.errors import Unavailable
from interlock.pipeline.recorded.health import Outcome
from interlock.runtime.config import secrets
from interlock.runtime.health.asking import REPLY, same, values_of
from interlock.runtime.health.config import HttpCheck, PrometheusCheck, SqlCheck
from interlock.testing.peers.pg import PgDatabase

SECRET = "the-other-sides-secret"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        yield made


def http_(url: str, **more: Any) -> Outcome:
    within = more.pop("within", 5 * SECOND)
    return asyncio.run(outcome(HttpCheck(url, more.pop("headers", {}), **more), within=within))


def prometheus(site: Site, **more: Any) -> Outcome:
    url, headers, query = (
        more.pop("url", f"{site.url}/prom"),
        more.pop("headers", {}),
        more.pop("query", "up"),
    )
    return asyncio.run(outcome(PrometheusCheck(url, headers, query, **more)))


# -- HTTP


def test_an_address_is_well_by_its_status_and_its_text(site: Site) -> None:
    site.body = b"x" * 1000 + b"all is fine"
    assert http_(f"{site.url}/healthz?full=1") == Outcome(True)
    assert site.asked[-1][0] == "/healthz?full=1"
    assert http_(site.url, contains="is fine").ok
    assert http_(site.url, contains="is well").why == "the answer has not the expected text in it"
    assert http_(site.url, status=204).why == "answers HTTP 200, not 204"
    site.status = 503
    assert http_(site.url).why == "answers HTTP 503, not 200"
    assert http_(site.url, status=503).ok


def test_a_redirect_is_never_followed(site: Site) -> None:
    site.status, site.headers = 302, {"Location": "/elsewhere"}
    assert http_(f"{site.url}/healthz").why == "answers HTTP 302, not 200"
    assert [path for path, _ in site.asked] == ["/healthz"]


def test_a_header_can_be_a_secret_and_stays_one(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("Bearer s3cret-token\n")
    token = secrets.parse({"file": "token"}, tmp_path)
    assert http_(site.url, headers={"Authorization": token, "X-Plain": "yes"}).ok
    assert site.asked[-1][1]["Authorization"] == "Bearer s3cret-token"
    assert site.asked[-1][1]["X-Plain"] == "yes"
    file.write_text("two\nlines\n")  # would be a header more
    bad = http_(site.url, headers={"Authorization": token})
    assert (bad.ok, bad.why, "printable" in bad.trouble, "two" in bad.trouble) == (False, "", True, False)
    file.unlink()
    gone = http_(site.url, headers={"Authorization": token})
    assert gone.trouble
    assert not gone.why
    assert len(site.asked) == 1, "nothing is asked without its secret"


def test_an_environments_proxy_is_not_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert os.environ["http_proxy"]
    assert http_(site.url).ok


def test_nobody_there_is_unwell() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        why = http_(f"http://127.0.0.1:{taken.getsockname()[1]}/").why
    assert why == "it does not answer as it should (ConnectionRefusedError)"
    assert not http_("http://no-such-host.invalid/").ok


def test_tls_without_a_certificate_that_we_trust_is_unwell() -> None:
    with raw_server(lambda s: s.sendall(b"HTTP/1.1 200 OK\r\n\r\n")) as url:
        assert "SSLError" in http_(url.replace("http:", "https:")).why


def _trickle(peer: socket.socket, first: bytes, then: bytes) -> None:
    """A little at a time, until the other side leaves."""
    peer.sendall(first)
    peer.settimeout(0.05)
    while True:
        peer.sendall(then)
        with contextlib.suppress(TimeoutError):
            if not peer.recv(1):
                return


def _drip(peer: socket.socket) -> None:
    _trickle(peer, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x")


def _headers_for_ever(peer: socket.socket) -> None:
    _trickle(peer, b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")


def _silent(peer: socket.socket) -> None:
    peer.recv(1)


@pytest.mark.parametrize("peer", [_drip, _headers_for_ever, _silent])
def test_a_slow_peer_is_given_up_in_time(peer: Callable[[socket.socket], None]) -> None:
    with raw_server(peer) as url:
        began = time.monotonic()
        found = http_(url, contains="never", within=SECOND)
        assert time.monotonic() - began < 5
    assert not found.ok
    assert found.why


def _endless(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        peer.sendall(b"x" * 65536)


def _many_headers(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(1000)) + b"\r\n")


def _long_line(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 " + SECRET.encode() * 10_000)


def _nonsense(peer: socket.socket) -> None:
    peer.sendall(b"\xff\x00 " + SECRET.encode() + b"\r\n\r\n")


@pytest.mark.parametrize("peer", [_endless, _many_headers, _long_line, _nonsense])
def test_what_a_hostile_peer_sends_gets_nowhere(peer: Callable[[socket.socket], None]) -> None:
    with raw_server(peer) as url:
        for found in (http_(url, contains="never"), asyncio.run(_asked_prometheus(url))):
            assert not found.ok
            assert found.why
            assert SECRET not in f"{found}"


async def _asked_prometheus(url: str) -> Outcome:
    return await outcome(PrometheusCheck(url, {}, "up", above=1))


def test_a_reason_in_the_status_line_is_not_repeated() -> None:
    with raw_server(lambda s: s.sendall(f"HTTP/1.1 500 {SECRET}\r\nX: {SECRET}\r\n\r\n".encode())) as url:
        assert http_(url).why == "answers HTTP 500, not 200"


# -- Prometheus


def test_a_query_is_judged_by_every_value(site: Site) -> None:
    site.values = [0.01, 0.049, 0.05]
    assert prometheus(site, above=0.05).ok
    site.values = [0.01, 0.0501]
    assert prometheus(site, above=0.05).why == "a value is above 0.05"
    site.values = [3, 0]
    assert prometheus(site, below=1).why == "a value is below 1"
    assert prometheus(site, below=0).ok
    assert prometheus(site, above=2, below=0).why == "a value is above 2"
    site.values = None  # a scalar: 1
    assert prometheus(site, above=1, below=1).ok
    assert prometheus(site, above=0.5).why == "a value is above 0.5"
    path = site.asked[0][0]
    assert path.startswith("/prom/api/v1/query?query=up&timeout=5000ms")


def test_the_query_arrives_as_it_is(site: Site) -> None:
    query = 'sum(rate(http_requests_total{job="shop",code=~"5.."}[5m])) / 2 + 1 & #'
    assert prometheus(site, query=query, above=5).ok
    assert parse_qs(urlsplit(site.asked[-1][0]).query)["query"] == [query]


def test_no_data_is_unwell_unless_it_is_said_to_be_well(site: Site) -> None:
    site.values = []
    assert prometheus(site, above=1).why == "the query gives no data"
    assert prometheus(site, above=1, no_data_is_well=True).ok


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_unwell(site: Site, value: float) -> None:
    site.values = [0, value]
    assert prometheus(site, above=1, below=-1).why == "a value is not a finite number"


def test_a_wrong_query_is_unwell_and_not_repeated(site: Site) -> None:
    assert prometheus(site, query="wrong(", above=1).why == "the server answers HTTP 400"


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b"{",
    b'{"status":"error","data":{"resultType":"vector","result":[]}}',
    b'{"status":"success"}',
    b'{"status":"success","data":{"resultType":"matrix","result":[]}}',
    b'{"status":"success","data":{"resultType":"string","result":[1,"1"]}}',
    b'{"status":"success","data":{"resultType":"vector","result":{}}}',
    b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}',
    b'{"status":"success","data":{"resultType":"vector","result":[{"value":[1,2]}]}}',
    b'{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"the-other-sides-secret"]}]}}',
    b'{"status":"success","data":{"resultType":"scalar","result":[]}}',
    b"[" * 5000,
    b'{"status":"success","data":{"resultType":"vector","result":' + b"[" * 5000,
]


@pytest.mark.parametrize("body", HOSTILE)
def test_an_answer_of_another_shape_is_unwell(site: Site, body: bytes) -> None:
    site.body = body
    found = prometheus(site, url=site.url, above=1)
    assert found.why == "the server's answer is not that of an instant query"


def test_an_answer_that_is_too_large_is_unwell(site: Site) -> None:
    site.body = b" " * (REPLY + 1)
    assert prometheus(site, url=site.url, above=1).why == "the server's answer is too large"


@given(st.binary(max_size=200))
def test_any_bytes_are_numbers_or_an_error_of_these_kinds(data: bytes) -> None:
    try:
        found = values_of(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return
    assert all(isinstance(value, float) for value in found)


# -- SQL


@pytest.mark.parametrize(
    ("value", "expected", "alike"),
    [
        ("t", "true", True), ("true", "true", True), ("f", "true", False), ("f", "false", True), ("5", "5", True),
        ("5.00", "5", True), ("5.01", "5", False), ("up", "up", True), ("UP", "up", False), (None, None, True),
        (None, "0", False), ("", None, False), ("0", "", False), ("NaN", "5", False), ("1e2", "100", True),
    ],
)  # fmt: skip
def test_values_are_compared(value: str | None, expected: str | None, alike: bool) -> None:
    assert same(value, expected) is alike


class _Target:
    """What is probed: a real database, by the connector's own means."""

    def __init__(self, database: PgDatabase) -> None:
        self.role = UpstreamConfig.parse(database.dsn())

    async def probe(self, statement: str, within: Any) -> str | None:
        return await probe(self.role, statement, within)


def sql(database: PgDatabase, statement: str, *expected: str | None, within: Any = 5 * SECOND) -> Outcome:
    return asyncio.run(outcome(SqlCheck(statement, expected), _Target(database), within=within))


def test_a_statement_is_judged_by_its_first_value(fresh_db: PgDatabase) -> None:
    fresh_db.psql("CREATE TABLE t AS SELECT i FROM generate_series(1, 10) i")
    assert sql(fresh_db, "SELECT count(*) FROM t", "10").ok
    assert sql(fresh_db, "SELECT count(*) FROM t", "11").why == "the value is another than the expected one"
    assert sql(fresh_db, "SELECT max(i) > 5, 7 FROM t", "true").ok
    assert sql(fresh_db, "SELECT i FROM t").ok
    assert sql(fresh_db, "SELECT i FROM t WHERE i > 10").why == "the statement gives no row"
    assert sql(fresh_db, "SELECT NULL", None).ok
    assert sql(fresh_db, "SELECT").ok
    endless = "SELECT generate_series(1, 1000000000)"
    assert sql(fresh_db, endless).ok, "no more than the first row is asked for"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM t",
        "WITH gone AS (DELETE FROM t RETURNING 1) SELECT count(*) FROM gone",
        "SELECT emptied()",
        "SELECT set_config('transaction_read_only', 'off', false), emptied()",
        "DROP TABLE t",
        "SELECT 1; DELETE FROM t",
        "SELECT 'x' INTO u",
        "COMMIT; DELETE FROM t",
        "SELECT nextval('s')",
        "TRUNCATE t",
    ],
)
def test_nothing_is_ever_changed(fresh_db: PgDatabase, statement: str) -> None:
    fresh_db.psql(
        "CREATE TABLE t AS SELECT i FROM generate_series(1, 3) i; CREATE SEQUENCE s;"
        " CREATE FUNCTION emptied() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; RETURN 1; END $$"
    )
    found = sql(fresh_db, statement, "1")
    assert not found.ok
    assert "SQLSTATE" in found.why
    assert fresh_db.psql("SELECT count(*), (SELECT is_called FROM s) FROM t") == [(3, False)]


def test_ending_the_transaction_gives_no_way_out(fresh_db: PgDatabase) -> None:
    fresh_db.psql("CREATE TABLE t (i int)")
    for statement in ("COMMIT", "ROLLBACK", "SET TRANSACTION READ WRITE", "COMMIT AND CHAIN"):
        assert not sql(fresh_db, statement).ok


def test_an_error_quotes_nothing(fresh_db: PgDatabase) -> None:
    found = sql(fresh_db, f"SELECT CAST('{SECRET}' AS int)")
    assert found.why == "the server refuses the statement (SQLSTATE 22P02)"


def test_a_slow_statement_is_ended_on_the_server_too(fresh_db: PgDatabase) -> None:
    assert not sql(fresh_db, "SELECT pg_sleep(60)", within=SECOND).ok
    deadline = time.monotonic() + 20
    running = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
    )
    while fresh_db.psql(running) != [(0,)]:
        assert time.monotonic() < deadline


def test_a_locked_table_is_not_waited_for(fresh_db: PgDatabase) -> None:
    fresh_db.psql("CREATE TABLE t (i int)")
    with fresh_db.connect() as other:
        other.execute("LOCK TABLE t")
        assert (
            sql(fresh_db, "SELECT count(*) FROM t").why == "the server refuses the statement (SQLSTATE 55P03)"
        )


def test_a_database_that_is_not_there_is_unwell() -> None:
    async def ask() -> None:
        role = UpstreamConfig.parse("postgresql://nobody@127.0.0.1:1/none")
        with pytest.raises(Unavailable):
            await probe(role, "SELECT 1", SECOND)

    asyncio.run(ask())


def test_a_target_that_knows_no_statements_says_so() -> None:
    found = asyncio.run(outcome(SqlCheck("SELECT 1"), object()))
    assert (found.ok, found.why, found.trouble) == (False, "", "its connector runs no such statements")
