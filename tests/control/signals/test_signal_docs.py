"""The table of docs/breakers.md is what there is."""

import re
from pathlib import Path

from interlock.control import breaker
from interlock.control.signals import past
from interlock.control.signals.thresholds import SHIPPED
from interlock.model.signal import Signal
from interlock.runtime.service.stopping import tuning

DOCUMENT = Path(__file__).parents[3] / "docs" / "breakers.md"
ROW = re.compile(r"^\| (?:`(\w+)`)? ?\| (?:`(\w+)`|–) \| (.*?) \| (.+) \|$", re.M)


def rows() -> list[tuple[str, str, str]]:
    return [(m[1], m[2], m[3]) for m in ROW.finditer(DOCUMENT.read_text("utf-8"))]


def shown(value: object) -> str:
    return {True: "on", False: "off", None: "off"}[value] if isinstance(value, bool | None) else str(value)


def test_every_signal_has_a_row() -> None:
    signals = [name for name, _, _ in rows() if name]
    assert sorted(signals) == sorted(signal.value for signal in Signal)


def test_every_threshold_has_a_row_with_its_default() -> None:
    told = {key: default for _, key, default in rows() if key}
    assert told == {name: shown(getattr(SHIPPED, name)) for name in SHIPPED.__struct_fields__}


def test_the_numbers_of_the_text_are_those_of_the_code() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert f"one change at a time, {breaker.PROBATION_ROWS} rows at most" in text
    assert f"After {breaker.CLEAN} changes that ended well" in text
    assert f"the newest {tuning.MOST:,} changes at most" in text
    assert f"the newest {tuning.SHOWN} trips" in text
    assert f"enough happened ({past.ENOUGH} changes)" in text
    for signal in (Signal.GROUP_SHARE, Signal.LAST_MEMBER, Signal.SWEEPING):
        assert signal in past.NOT_REPLAYED


def test_the_example_is_a_configuration() -> None:
    from interlock.runtime.config import signals
    from interlock.runtime.config.yaml_source import Source

    example = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.S)[0]
    source = Source("breakers.md", example)
    read = signals.read(
        source, source.data["breakers"], {"production": True, "staging": False}, ["two-sre"], "two-sre"
    )
    assert read is not None
    deployer = read.of("production", "deployer")
    assert deployer is not None
    assert deployer.groups_written_ten_minutes == 12
    assert read.of("production", "janitor") is None
