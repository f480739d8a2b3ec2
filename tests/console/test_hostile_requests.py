"""What hostile clients send the API: other Hosts, odd targets, too much, too slowly, twice. Over real connections, byte by byte."""

import asyncio
import contextlib
import json
import re
from typing import Any

import pytest
from tests.console.conftest import URL, Served, bearer

from interlock.console.app import MAX_BODY, MAX_TARGET
from interlock.runtime.serving import http_protocol
from interlock.runtime.serving.http_protocol import LARGEST_HEAD

pytestmark = pytest.mark.anyio

SOON = 20.0
EVIL = "evil.example"


class Reply:
    """An answer, taken apart."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        self.raw = raw
        status, *lines = head.decode().split("\r\n")
        self.status = int(status.split(" ")[1]) if status else 0
        self.headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


async def raw(served: Served, data: bytes) -> Reply:
    """What the server says to these bytes, until it closes."""
    reader, writer = await served.connect()
    async with asyncio.timeout(SOON):
        writer.write(data)
        answer = await reader.read()
    writer.close()
    return Reply(answer)


def request(
    target: str = "/healthz", *headers: str, method: str = "GET", body: bytes = b"", host: str = "x"
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def posted(served: Served, *headers: str, body: bytes = b"{}") -> bytes:
    """A withdrawal of a change that is not there: 404 when it gets that far."""
    token = f"Authorization: Bearer {served.tokens['fixer']}"
    return request("/changes/CHG-00000000/withdraw", token, *headers, method="POST", body=body)


JSON = "Content-Type: application/json"

# -- Host


@pytest.mark.parametrize("host", [EVIL, f"{EVIL}:80", "127.0.0.1:1", "localhost", "", "x" * 200, "[::1]"])
async def test_what_host_says_changes_nothing(shared: Served, host: str) -> None:
    usual = await raw(shared, request("/api/v1/people"))
    other = await raw(shared, request("/api/v1/people", host=host))
    assert (other.status, other.body, other.headers) == (usual.status, usual.body, usual.headers)
    for path in ("/healthz", "/healthz/", "/changes/", "/nowhere", "/openapi.json"):
        answer = await raw(shared, request(path, host=EVIL))
        assert EVIL.encode() not in answer.raw
        assert "location" not in answer.headers


@pytest.mark.parametrize(
    "claim",
    [
        f"X-Forwarded-Host: {EVIL}", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: https", "Forwarded: for=unix;host=evil",
        "X-Original-URL: /api/v1/people", "X-Rewrite-URL: /api/v1/people", "X-HTTP-Method-Override: DELETE", "X-Real-IP: ::1",
    ],
)  # fmt: skip
async def test_what_proxies_may_have_said_is_not_believed(shared: Served, claim: str) -> None:
    usual, other = await raw(shared, request()), await raw(shared, request("/healthz", claim))
    assert (other.status, other.headers) == (usual.status, usual.headers)
    assert (await raw(shared, request("/api/v1/people", claim))).status == 401


@pytest.mark.parametrize(
    "data",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    ],
)
async def test_there_is_one_host(shared: Served, data: bytes) -> None:
    assert (await raw(shared, data)).status == 400


async def test_a_signature_is_for_the_public_address_whatever_host_says(shared: Served) -> None:
    response = await shared.signed("GET", "/api/v1/people", alter=lambda headers: {**headers, "host": EVIL})
    assert response.status_code == 200
    elsewhere = await shared.signed("GET", "/api/v1/people", uri=f"http://{EVIL}/api/v1/people")
    assert elsewhere.status_code == 401


# -- targets


@pytest.mark.parametrize(
    "target",
    [
        f"{URL}/healthz", f"http://{EVIL}/healthz", "//healthz", f"//{EVIL}/healthz", "/healthz/", "/./healthz",
        "/healthz/../healthz", "/api/../healthz", "/%2e%2e/healthz", "/healthz%2F", "/healthz%00", "/healthz;a=b", "/healthz%3F",
        "/HEALTHZ", "/healthz%20", "/healthz#x", "\\healthz", "/healthz\\", "*", "healthz", "/%ff", "/%",
        f"{EVIL}:443",
    ],
)  # fmt: skip
async def test_odd_targets_are_no_resources(shared: Served, target: str) -> None:
    answer = await raw(shared, request(target))
    assert (answer.status, answer.code) == (404, "not_found")
    assert EVIL.encode() not in answer.raw
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/people", "//api/v1/people", "/api/v1//people", "/api/v1/./people", "/healthz/../api/v1/people",
        "/api%2Fv1%2Fpeople", "/%61pi/v1/people", "/api/v1/people?", "/api/v1/people%3F", "/api/v1/people/", "/API/v1/people",
        "/ledger/tile/../../api/v1/people", "/ledger/tile/..%2f..%2fapi/v1/people", "/ledger/tile/0/000",
        "/ledger/tile/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "http://x/api/v1/people", "/api/v1/people;/../healthz",
    ],
)  # fmt: skip
async def test_no_spelling_leads_around_the_door(shared: Served, target: str) -> None:
    """Whoever may not know of a resource gets it under no other name."""
    nobody = await raw(shared, request(target))
    agent = await raw(shared, request(target, f"Authorization: Bearer {shared.tokens['fixer']}"))
    assert nobody.status in (401, 404)
    assert agent.status == 404
    assert b"ann" not in nobody.raw + agent.raw


async def test_a_signature_is_for_one_spelling(shared: Served) -> None:
    """`%61` is an `a`, and yet not what was signed."""
    spelled = await shared.signed("GET", "/%61pi/v1/people", uri=f"{URL}/api/v1/people")
    assert spelled.status_code == 401
    assert (await shared.signed("GET", "/%61pi/v1/people")).status_code == 200


NAMES = [
    "%00", "%ff", "%ed%a0%80", "..", "%2e%2e", "a%2Fb", "%F0%9F%92%A9", "x" * 5000, "%0d%0aX:%20y", "'--",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:20])
async def test_odd_names_are_names_of_nothing(shared: Served, name: str) -> None:
    for path in (f"/api/v1/changes/{name}", f"/api/v1/targets/{name}/trash"):
        answer = await shared.signed("GET", path)
        assert answer.status_code in (404, 422)
        assert "x" not in answer.headers
    for path in (f"/api/v1/agents/{name}/disable", f"/api/v1/environments/{name}/freeze"):
        assert (await shared.signed("POST", path, {})).status_code in (404, 422)


async def test_odd_values_find_nothing(shared: Served) -> None:
    for value in ("%00", "%ff", "%ed%a0%80", "' OR 1=1 --", "\u202e"):
        answer = await shared.signed(
            "GET", f"/api/v1/changes?agent={value}".replace(" ", "%20").replace("\u202e", "%E2%80%AE")
        )
        assert answer.status_code in (200, 422)
        assert answer.json().get("changes", []) == []


# -- heads


async def test_long_targets_are_refused(shared: Served) -> None:
    answer = await raw(shared, request("/healthz?" + "a" * MAX_TARGET))
    assert (answer.status, answer.code) == (413, "too_large")


@pytest.mark.parametrize(
    "headers",
    [
        ["X: " + "a" * LARGEST_HEAD],
        [f"X{n}: {'a' * 100}" for n in range(LARGEST_HEAD // 100)],
        ["Authorization: Bearer " + "a" * LARGEST_HEAD],
        ["Cookie: " + "a=b; " * (LARGEST_HEAD // 5)],
    ],
)
async def test_large_heads_are_refused(shared: Served, headers: list[str]) -> None:
    """By what reads them while they have no end, or by what they are handed to."""
    assert (await raw(shared, request("/healthz", *headers))).status in (400, 413)


async def test_a_head_without_an_end_is_not_kept(shared: Served) -> None:
    """The sender is told long before it is through with a gigabyte."""
    reader, writer = await shared.connect()
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ")
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 100_000_000 and not reader.at_eof():
            writer.write(b"a" * 65536)
            await writer.drain()
            sent += 65536
    writer.transport.abort()
    assert sent < 50_000_000
    assert (await raw(shared, request())).status == 200


@pytest.mark.parametrize(
    "twice",
    [
        ["Authorization: Bearer {token}", "Authorization: Bearer {other}"],
        ["Authorization: Bearer {token}", "Authorization: Bearer {token}"],
        ["Authorization: Bearer {token}", "authorization: Basic eA=="],
    ],
)
async def test_whoever_says_twice_who_they_are_is_nobody(served: Served, twice: list[str]) -> None:
    change = (await served.held()).id
    lines = [each.format(token=served.tokens["fixer"], other=served.tokens["other"]) for each in twice]
    answer = await raw(served, request(f"/changes/{change}", *lines))
    assert (answer.status, answer.code) == (400, "invalid")
    assert change.encode() not in answer.body


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([JSON, "Content-Length: 2", "Content-Length: 3"], b"{} "),
        ([JSON, "Content-Length: +2"], b"{}"),
        ([JSON, "Content-Length: -2"], b"{}"),
        ([JSON, "Content-Length: 0x2"], b"{}"),
        ([JSON, "Content-Length: 2,3"], b"{}"),
        ([JSON, "Content-Length: 2", "Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n"),
        ([JSON, "Transfer-Encoding: chunked", "Transfer-Encoding: identity"], b"2\r\n{}\r\n0\r\n\r\n"),
        ([JSON, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n"),
        ([JSON, "Transfer-Encoding: xchunked"], b"{}"),
        ([JSON, "Transfer-Encoding: chunked"], b"+2\r\n{}\r\n0\r\n\r\n"),
        ([JSON, "Transfer-Encoding : chunked"], b"2\r\n{}\r\n0\r\n\r\n"),
        ([JSON, "Transfer-Encoding:\x0bchunked"], b"2\r\n{}\r\n0\r\n\r\n"),
        ([JSON, "Content-Length: 2\r\n ,3"], b"{}"),
        ([JSON, JSON, "Content-Length: 2"], b"{}"),
        ([JSON, "Content-Type: text/plain", "Content-Length: 2"], b"{}"),
        ([JSON, "X\x00: y", "Content-Length: 2"], b"{}"),
        ([JSON, "X y: z", "Content-Length: 2"], b"{}"),
    ],
)  # fmt: skip
async def test_what_could_be_read_in_two_ways_is_refused(
    shared: Served, headers: list[str], body: bytes
) -> None:
    answer = await raw(shared, posted(shared, *headers, body=body))
    assert answer.status in (400, 501), answer.raw
    assert answer.headers["connection"] == "close"


async def test_a_request_hidden_in_a_body_is_not_seen(shared: Served) -> None:
    """Two answers to what a proxy took for one request would be somebody else's answer."""
    hidden = request("/openapi.json")
    for body, length in ((b"0\r\n\r\n" + hidden, 5), (b"{}" + hidden, 2)):
        data = posted(shared, JSON, f"Content-Length: {length}", "Transfer-Encoding: chunked", body=body)
        answer = await raw(shared, data.replace(b"Connection: close\r\n", b""))
        assert answer.status == 400
        assert answer.raw.count(b"HTTP/1.1 ") == 1


async def test_the_usual_forms_are_taken(shared: Served) -> None:
    """What the tests above refuse differs from these by nothing else."""
    for headers, body in (
        ([JSON, "Content-Length: 2"], b"{}"),
        ([JSON, "Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n"),
        (["Content-Type: application/json; charset=utf-8", "Content-Length: 2"], b"{}"),
        (["Content-Type: Application/JSON", "Content-Length: 2"], b"{}"),
        ([JSON, "Content-Length: 2", "Content-Encoding: identity"], b"{}"),
    ):
        answer = await raw(shared, posted(shared, *headers, body=body))
        assert (answer.status, answer.code) == (404, "not_found")


# -- bodies


@pytest.mark.parametrize(
    "media",
    [
        [], ["Content-Type: "], ["Content-Type: text/plain"], ["Content-Type: application/x-www-form-urlencoded"],
        ["Content-Type: multipart/form-data; boundary=x"], ["Content-Type: application/json5"],
        ["Content-Type: application/problem+json"], ["Content-Type: text/plain; application/json"],
        ["Content-Type: application/xml"], [JSON, "Content-Encoding: gzip"], [JSON, "Content-Encoding: br"],
    ],
)  # fmt: skip
async def test_other_media_are_refused(shared: Served, media: list[str]) -> None:
    """No page of another site can send JSON here without being asked first (no simple request is taken)."""
    answer = await raw(shared, posted(shared, *media, "Content-Length: 2"))
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


async def test_browsers_of_other_sites_are_told_nothing(shared: Served) -> None:
    asks = (
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: authorization,content-type",
    )
    for method in ("OPTIONS", "GET"):
        answer = await raw(shared, request("/changes", f"Origin: https://{EVIL}", *asks, method=method))
        assert answer.status in (401, 405)
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000, b'{"reason": ' + b"[" * 100_000, b'{"x": ' + b'{"a": ' * 30_000, b'{"reason": "\\ud800"}',
        b'{"reason": "\xff"}', b"\xef\xbb\xbf{}", b"{}{}", b'{"reason": 1e999}', b'{"reason": ' + b"9" * 100_000 + b"}",
        b"null", b"[]", b'""', b"{", b"\x00", b'{"reason": "a", "other": 1}',
    ],
)  # fmt: skip
async def test_odd_json_is_refused(shared: Served, body: bytes) -> None:
    answer = await raw(shared, posted(shared, JSON, f"Content-Length: {len(body)}", body=body))
    assert (answer.status, answer.code) == (400, "invalid")


async def test_a_body_that_says_it_is_too_large_is_not_read(shared: Served) -> None:
    """Nothing of it is sent; with Expect, the client is not even asked to."""
    for more in ([], ["Expect: 100-continue"]):
        answer = await raw(shared, posted(shared, JSON, f"Content-Length: {MAX_BODY + 1}", *more, body=b""))
        assert (answer.status, answer.code) == (413, "too_large")
        assert answer.headers["connection"] == "close"
        assert b"100 Continue" not in answer.raw


async def test_a_body_that_does_not_say_so_is_cut_off(shared: Served) -> None:
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    answer = await raw(shared, posted(shared, JSON, "Transfer-Encoding: chunked", body=chunk * 6))
    assert (answer.status, answer.code) == (413, "too_large")


async def test_the_largest_body_is_taken(shared: Served) -> None:
    body = b'{"reason": "' + b"a" * (MAX_BODY - 14) + b'"}'
    assert len(body) == MAX_BODY
    answer = await raw(shared, posted(shared, JSON, f"Content-Length: {MAX_BODY}", body=body))
    assert answer.status == 404


# -- time


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_S", 0.3)


SLOW = [b"", b"G", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: "]


@pytest.mark.parametrize("begun", SLOW)
@pytest.mark.usefixtures("impatient")
async def test_who_does_not_end_a_head_is_not_waited_for(shared: Served, begun: bytes) -> None:
    assert (await raw(shared, begun)).status == 408


@pytest.mark.usefixtures("impatient")
async def test_who_sends_a_head_by_drops_is_not_waited_for(shared: Served) -> None:
    """Each drop is new, and the time is that of the whole request."""
    reader, writer = await shared.connect()
    closed = asyncio.create_task(reader.read())
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ")
    async with asyncio.timeout(SOON):
        while not closed.done():
            writer.write(b"a")
            await asyncio.wait([closed], timeout=0.02)
    # What it has sent too late makes the system reset the connection, with which the answer may be lost.
    assert closed.exception() is not None or Reply(closed.result()).status == 408
    writer.close()


@pytest.mark.usefixtures("impatient")
async def test_who_does_not_end_a_body_is_not_waited_for(
    shared: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await raw(shared, posted(shared, JSON, "Content-Length: 100", body=b"{"))
    assert answer.raw == b""
    out, err = capfd.readouterr()
    assert "request.failed" not in out + err


@pytest.mark.usefixtures("impatient")
async def test_the_second_request_of_a_connection_has_its_time_too(shared: Served) -> None:
    reader, writer = await shared.connect()
    writer.write(request().replace(b"Connection: close\r\n", b""))
    async with asyncio.timeout(SOON):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length is not None
        await reader.readexactly(int(length[1]))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
    writer.close()


@pytest.mark.usefixtures("impatient")
async def test_who_waits_for_an_answer_is_in_time(served: Served) -> None:
    """A long poll lasts longer than a request may take to come in."""
    change = (await served.held()).id
    token = f"Authorization: Bearer {served.tokens['fixer']}"
    assert (await raw(served, request(f"/changes/{change}?wait=1", token))).status == 200


@pytest.mark.parametrize("begun", [*SLOW, b"body"])
async def test_many_who_are_slow_keep_nobody_out(
    shared: Served, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    """More connections than there may be: those that have waited longest are cut off, and who has something to say is heard."""
    monkeypatch.setattr(http_protocol, "MOST_STALLED", 20)
    if begun == b"body":
        begun = posted(shared, JSON, "Content-Length: 100", body=b"{")
    slow: list[Any] = []
    for _ in range(60):
        reader, writer = await shared.connect()
        writer.write(begun)
        slow.append((asyncio.create_task(reader.read()), writer))
        answer = await raw(shared, request())
        assert answer.status == 200
    assert (await shared.signed("GET", "/api/v1/people")).status_code == 200
    ended = [task for task, _ in slow if task.done()]
    assert len(ended) >= 35
    # Those that came last are still there.
    assert not slow[-1][0].done()
    for task, writer in slow:
        task.cancel()
        writer.transport.abort()
    await asyncio.gather(*(task for task, _ in slow), return_exceptions=True)


async def test_who_waits_for_an_answer_is_not_cut_off_for_who_is_slow(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "MOST_STALLED", 5)
    change = (await served.held()).id
    poll = asyncio.create_task(
        served.tcp.get(f"/changes/{change}?wait=60", headers=bearer(served.tokens["fixer"]))
    )
    events = served.runtime.core.watch._events
    async with asyncio.timeout(SOON):
        while change not in events:  # noqa: ASYNC110  # nothing tells of it, and a look costs nothing
            await asyncio.sleep(0)
    slow = [await served.connect() for _ in range(30)]
    assert not poll.done()
    await served.post(f"/api/v1/changes/{change}/withdraw", {})
    assert (await asyncio.wait_for(poll, SOON)).json()["state"] == "withdrawn"
    for _, writer in slow:
        writer.transport.abort()


async def test_beyond_all_that_fit_it_says_so(served: Served) -> None:
    """The limits as uvicorn has them: more than this under way is answered with 503, and others go on afterwards."""
    assert served.server is not None
    for door in served.server._doors:
        config = door._server.config
        assert config.limit_concurrency == http_protocol.MOST
        assert config.h11_max_incomplete_event_size == LARGEST_HEAD
        assert config.timeout_keep_alive == http_protocol.KEEP_ALIVE_S
        assert issubclass(config.http_protocol_class, http_protocol.PromptProtocol)
        assert config.proxy_headers is False
    assert http_protocol.MOST_STALLED < http_protocol.MOST
    waits = [await served.connect() for _ in range(3)]
    connections = served.server._doors[1]._server.server_state.connections
    async with asyncio.timeout(SOON):
        while len(connections) < 3:  # noqa: ASYNC110  # nothing tells of it, and a look costs nothing
            await asyncio.sleep(0)
    for each in connections:
        each.limit_concurrency = 3  # type: ignore[union-attr]  # those of uvicorn's protocols have it
    reader, writer = waits[0]
    writer.write(request())
    answer = Reply(await reader.read())
    assert answer.status == 503
    for _, writer in waits:
        writer.transport.abort()
    assert (await raw(served, request())).status == 200
