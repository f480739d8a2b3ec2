"""What a suite came to, both ways: compared, with the reasons for what differs, kept as JSON in `results/`.

The reasons are in `reasons/NAME.toml`, written by people who looked at each difference:

    [[reason]]
    why = "one sentence or two, in Markdown"
    tests = ["tests.test_module.Case.test_name", "tests.test_other.*"]      # fnmatch's patterns
"""

import json
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tests.real.conformance.running import Both
from tests.real.conformance.suite import Outcome, Suite

HERE = Path(__file__).parent
RESULTS, REASONS = HERE / "results", HERE / "reasons"


@dataclass(frozen=True, slots=True)
class Difference:
    """A test that came to something else through the gateway."""

    test: str
    direct: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Result:
    """One suite on one version of PostgreSQL. `direct` and `gateway` count the outcomes of each run; `same` is how many tests
    came to the same."""

    suite: str
    version: str
    postgres: str
    direct: Mapping[str, int]
    gateway: Mapping[str, int]
    same: int
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class Reason:
    why: str
    tests: Sequence[str]

    def covers(self, test: str) -> bool:
        return any(fnmatchcase(test, pattern) for pattern in self.tests)


def compare(suite: Suite, postgres: str, found: Both) -> Result:
    """Test by test."""
    tests = sorted(found.direct.keys() | found.gateway.keys())
    pairs = [(t, found.direct.get(t, Outcome.ABSENT), found.gateway.get(t, Outcome.ABSENT)) for t in tests]
    differences = tuple(Difference(t, a.value, b.value) for t, a, b in pairs if a is not b)
    direct, gateway = (
        dict(sorted(Counter(o.value for o in run.values()).items())) for run in (found.direct, found.gateway)
    )
    return Result(
        suite.name, suite.version, postgres, direct, gateway, len(tests) - len(differences), differences
    )


def reasons(name: str) -> tuple[Reason, ...]:
    """The reasons that are known for a suite's differences."""
    file = REASONS / f"{name}.toml"
    if not file.exists():
        return ()
    return tuple(
        Reason(" ".join(r["why"].split()), tuple(r["tests"]))
        for r in tomllib.loads(file.read_text("utf-8"))["reason"]
    )


def unexplained(result: Result) -> list[Difference]:
    """The differences that nobody has given a reason for."""
    known = reasons(result.suite)
    return [d for d in result.differences if not any(reason.covers(d.test) for reason in known)]


def save(result: Result) -> None:
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(asdict(result), indent=1, ensure_ascii=False)
    (RESULTS / f"{result.suite}.json").write_text(text + "\n", "utf-8")


def load() -> list[Result]:
    """Every suite's last result, by name."""
    found = []
    for file in sorted(RESULTS.glob("*.json")):
        data = json.loads(file.read_text("utf-8"))
        found.append(Result(**{**data, "differences": tuple(Difference(**d) for d in data["differences"])}))
    return found
