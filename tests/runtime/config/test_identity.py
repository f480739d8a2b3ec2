"""Who is who, in the configuration."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from interlock.model.errors import Misconfigured
from interlock.runtime import doctor
from interlock.runtime.config import identity
from interlock.runtime.config.document import Config, load
from interlock.runtime.config.identity import Identity


def config(folder: Path, more: str) -> Config:
    file = folder / "interlock.yaml"
    file.write_text(f"store: sqlite:///x.db\ntargets: {{}}\n{more}\n")
    (folder / "var").mkdir(mode=0o700, exist_ok=True)
    return load(file)


def test_the_defaults(tmp_path: Path) -> None:
    found = config(tmp_path, "").identity
    assert found == Identity(timedelta(hours=24), frozenset(), None)
    assert found.admitted() == {0, os.getuid()}


def test_what_can_be_said(tmp_path: Path) -> None:
    found = config(tmp_path, "people: {counts_after: 3d}\nagent_uids: [1001]\nsocket_uids: [0, 7]").identity
    assert found.counts_after == timedelta(days=3)
    assert found.admitted() == {0, 7}
    assert config(tmp_path, "people: {counts_after: none}").identity.counts_after == timedelta(0)


def test_own_uid_is_not_admitted_when_agents_run_as_it(tmp_path: Path) -> None:
    found = config(tmp_path, f"agent_uids: [{os.getuid()}, 0]")
    assert found.identity.admitted() == frozenset()
    with pytest.raises(Misconfigured, match="nobody is left"):
        identity.check_socket(found.identity)
    (finding,) = [f for f in doctor.offline(found) if f.check == "agent-uids"]
    assert finding.level == "error"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("people: {counts_after: soon}", "people.counts_after"),
        ("people: {counts_after: 24}", "people.counts_after"),
        ("people: {count_after: 24h}", "did you mean 'counts_after'"),
        ("agent_uids: 1001", "agent_uids: expected a list"),
        ("agent_uids: [root]", "agent_uids: expected a list"),
        ("agent_uids: [true]", "agent_uids: expected a list"),
        ("socket_uids: [-1]", "socket_uids: expected a list"),
        ("socket_uids: [5]\nagent_uids: [5]", "agents run as 5"),
    ],
)
def test_what_is_wrong(tmp_path: Path, more: str, why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        config(tmp_path, more)
