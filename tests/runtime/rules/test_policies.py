"""The policy directory: hot reload, and a broken file that keeps the last good set and says so."""

import asyncio
from pathlib import Path

import pytest

from interlock.model.errors import Misconfigured
from interlock.runtime.rules.policies import Policies
from interlock.sdk.connector import Permitted, Refused
from interlock.testing.installation import FEW, QUORUMS, Installation

GOOD = '@id("no-updates-now") @why("updates are paused") forbid (principal, action == Action::"update", resource);'


def policies(folder: Path) -> Policies:
    return Policies(folder, quorums=QUORUMS, fragments={})


def test_a_new_file_is_in_force_and_a_broken_one_is_not(tmp_path: Path) -> None:
    found = policies(tmp_path)
    first = found.engine.digest
    assert not found.changed()
    file = tmp_path / "own.cedar"
    file.write_text(GOOD)
    assert found.changed()
    assert found.reload()
    second = found.engine.digest
    assert second != first

    file.write_text("forbid (principal")
    assert found.changed()
    assert not found.reload()
    assert found.engine.digest == second
    assert "own.cedar" in found.broken

    file.unlink()
    assert found.changed()
    assert found.reload()
    assert (found.engine.digest, found.broken) == (first, "")


def test_at_the_start_a_broken_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "own.cedar").write_text("nonsense")
    with pytest.raises(Misconfigured, match=r"own\.cedar"):
        policies(tmp_path)
    with pytest.raises(Misconfigured, match="no folder"):
        policies(tmp_path / "nothing")


def test_a_folder_that_vanishes_keeps_the_rules(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "own.cedar").write_text(GOOD)
    found = policies(folder)
    digest = found.engine.digest
    (folder / "own.cedar").unlink()
    folder.rmdir()
    assert found.changed()
    assert not found.reload()
    assert found.engine.digest == digest
    assert found.broken


def test_a_reload_takes_effect_at_once_whatever_was_remembered(tmp_path: Path) -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        assert isinstance(await made.send(agent, FEW), Permitted)
        found = made.core.policies
        found._folder = tmp_path
        (tmp_path / "own.cedar").write_text(GOOD)
        assert found.reload()
        answer = await made.send(agent, FEW)
        assert isinstance(answer, Refused)
        assert "paused" in answer.why
        assert made.live.units[-1].calls == ["abandon"]

    asyncio.run(run())
