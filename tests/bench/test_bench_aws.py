"""What the benchmarks of the AWS gateway stand on: where an answer ends, and requests that are signed beforehand."""

import pytest
from bench.aws import load
from bench.measure import DIRECT, GATEWAY, PROXY, Row, Table

from bench import show

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize("answer", [WHOLE, CHUNKS, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"])
def test_an_answer_is_complete_at_its_last_byte(answer: bytes) -> None:
    assert load.complete(answer)
    assert not any(load.complete(answer[:end]) for end in range(len(answer)))


@pytest.mark.parametrize("ask", [load.GET_ITEM, load.GET_USER, load.IDENTITY])
def test_requests_are_signed_for_where_they_go(ask: load.Ask) -> None:
    made = load.signed(ask, "http://127.0.0.1:81/~/x", "KEY", "secret")
    head, _, body = made.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /~/x/ HTTP/1.1\r\nhost: 127.0.0.1:81\r\n")
    assert b"Credential=KEY/" in head
    assert body == ask.body
    assert b"secret" not in made


def test_a_proxy_has_its_columns_where_one_was_measured() -> None:
    row = Row("x", "ms", {DIRECT: 1.0, PROXY: 4.0, GATEWAY: 2.0}, more_is_better=False)
    assert show.headings_of(Table("t", [row]))[:2] == ["Interlock / mitmproxy", "Interlock / direct"]
    assert row.ratio(GATEWAY, PROXY) == 2.0
