"""How the demo shows commands: as a shell would take them, and no wider than the terminal."""

import shlex

import pytest

from interlock.cli.demo.show import folded

COMMAND = shlex.join(
    [
        "interlock",
        "approve",
        "CHG-12345678",
        "--as",
        "ann",
        "--key",
        "keys/ann",
        "--reason",
        "they're old; no one asks",
    ]
)


@pytest.mark.parametrize("width", [60, 76, 120, 200])
def test_folded_commands_are_the_same_commands(width: int) -> None:
    lines = folded(COMMAND, width)
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == shlex.split(COMMAND)
    assert all(len("$ ") + len(line) <= width for line in lines)
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert all(line.startswith("  ") for line in lines[1:])


def test_short_commands_stay_on_their_line() -> None:
    assert folded("interlock changes --state held", 76) == ["interlock changes --state held"]
    assert folded(COMMAND, 200) == [COMMAND]
