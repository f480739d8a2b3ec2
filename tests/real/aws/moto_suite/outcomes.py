"""What the parts came to, kept as JSON in `results/`; the reasons for what differs are in `reasons/SERVICE.toml`, as those of
`tests.real.conformance`."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import moto
from tests.real.aws.moto_suite.running import Part, distribution
from tests.real.conformance import results
from tests.real.conformance.results import Difference, Reason, Result
from tests.real.conformance.running import Both

HERE = Path(__file__).parent
RESULTS, REASONS = HERE / "results", HERE / "reasons"


def compare(part: Part, found: Both) -> Result:
    """Test by test; tests of other parts are left out."""
    mine = f"tests.test_{part.service}."
    runs = ({t: o for t, o in run.items() if t.startswith(mine)} for run in (found.direct, found.gateway))
    result = results.compare(distribution(), "", Both(*runs))
    named = {**asdict(result), "suite": part.service, "version": moto.__version__}
    return _read(named | {"differences": [asdict(each) for each in result.differences]})


def reasons(service: str) -> tuple[Reason, ...]:
    """The reasons that are known for a part's differences: its own, and those that hold for all."""
    found: list[Reason] = []
    for name in (service, "all"):
        file = REASONS / f"{name}.toml"
        told = tomllib.loads(file.read_text("utf-8"))["reason"] if file.exists() else ()
        found += [Reason(" ".join(each["why"].split()), tuple(each["tests"])) for each in told]
    return tuple(found)


def unexplained(result: Result) -> list[Difference]:
    """The differences that nobody has given a reason for."""
    known = reasons(result.suite)
    return [d for d in result.differences if not any(reason.covers(d.test) for reason in known)]


def save(result: Result) -> None:
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(asdict(result), indent=1, ensure_ascii=False)
    (RESULTS / f"{result.suite}.json").write_text(text + "\n", "utf-8")


def load() -> Sequence[Result]:
    """Every part's last result, by name."""
    return [_read(json.loads(file.read_text("utf-8"))) for file in sorted(RESULTS.glob("*.json"))]


def _read(data: dict[str, object]) -> Result:
    differences = data["differences"]
    assert isinstance(differences, list)
    return Result(**{**data, "differences": tuple(Difference(**each) for each in differences)})  # type: ignore[arg-type]
