"""Secrets by reference, and the net that keeps them out of the log (P3)."""

import io
import json
import logging
import sys
from pathlib import Path

import pytest
import structlog

from interlock.model.errors import Misconfigured, Unavailable
from interlock.runtime import log
from interlock.runtime.config import secrets


def test_each_kind_is_read_when_asked_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("from-file-1\n")
    monkeypatch.setenv("A_SECRET", "from-env")
    assert secrets.parse({"env": "A_SECRET"}, tmp_path)() == "from-env"
    by_file = secrets.parse({"file": "secret"}, tmp_path)
    assert by_file() == "from-file-1"
    file.write_text("from-file-2")
    assert by_file() == "from-file-2"
    command = [sys.executable, "-c", "print('from-command')"]
    assert secrets.parse({"command": command}, tmp_path)() == "from-command"


@pytest.mark.parametrize(
    "value",
    [None, "hunter2", 7, [], {}, {"env": ""}, {"env": 7}, {"env": "A", "file": "B"}, {"vault": "x"}, {"command": "sh -c x"},
     {"command": []}, {"command": ["a", 7]}],
)  # fmt: skip
def test_anything_else_is_refused_and_not_repeated(value: object, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as raised:
        secrets.parse(value, tmp_path)
    assert "hunter2" not in str(raised.value)


def test_failures_say_nothing_of_what_was_printed(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "import sys; print('hunter2'); print('hunter2', file=sys.stderr); sys.exit(3)",
    ]
    for value in (
        {"command": command},
        {"file": "nothing"},
        {"env": "NOT_SET_ANYWHERE"},
        {"command": ["/nothing/here"]},
    ):
        with pytest.raises(Unavailable) as raised:
            secrets.parse(value, tmp_path)()
        assert "hunter2" not in str(raised.value)
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(Unavailable, match="empty"):
        secrets.parse({"file": "empty"}, tmp_path)()
    assert "hunter2" not in repr(secrets.parse({"command": command}, tmp_path))


def test_the_net_keeps_secrets_out_of_both_kinds_of_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "s3cr3t-value")
    secrets.parse({"env": "A_SECRET"}, tmp_path)()
    out = io.StringIO()
    log.set_up(json=True, stream=out)
    structlog.get_logger().warning(
        "connected to postgresql://rw:pa55@db/shop",
        password="pa55",
        nested={"token": "pa55", "list": ["uses s3cr3t-value"]},
        target="shop",
        rows=7,
    )
    try:
        raise ValueError("row 7 holds pa55")
    except ValueError:
        structlog.get_logger().error("it.failed", exc_info=True)
        logging.getLogger("library").exception("failed with s3cr3t-value at postgresql://rw:pa55@db/shop")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert "pa55" not in out.getvalue()
    assert "s3cr3t-value" not in out.getvalue()
    assert lines[0]["event"] == "connected to postgresql://rw:[redacted]@db/shop"
    assert (lines[0]["target"], lines[0]["rows"], lines[0]["password"]) == ("shop", 7, "[redacted]")
    assert lines[1]["error"] == "ValueError"
    assert "test_the_net" in lines[1]["where"]
    assert lines[2]["level"] == "error"


def test_readable_lines_for_people() -> None:
    out = io.StringIO()
    log.set_up(json=False, stream=out)
    structlog.get_logger().info("target.served", target="shop")
    assert "target.served" in out.getvalue()
    assert "{" not in out.getvalue()
