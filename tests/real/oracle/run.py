"""The whole run: `python -m tests.real.oracle.run` (`make oracle`). Writes docs/soundness.md, and docs/soundness.json beside it.

Ends with 1 when something changed that was neither measured nor refused.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from tests.real import regress
from tests.real.oracle import parts
from tests.real.oracle.report import document

from interlock.runtime.rules import directory
from interlock.testing.peers.pg import PgCluster

PARTS = ["cases", "superuser", "incidents", "sqlsmith", "scripts"]
DOCS = Path(__file__).parents[3] / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    asked = _parser().parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    directory.STALE = 60.0  # a busy machine is no lost store
    results: dict[str, Any] = {}
    for version in asked.versions:
        with PgCluster.start(version, fsync=False, settings=parts.QUIET) as cluster:
            for name, tally in _run(cluster, version, asked):
                results[f"{name} on PostgreSQL {version}"] = tally.as_json()
                _write(asked.out, results)
                _tell(f"{name} on {version}: {tally.statements} statements, {len(tally.found)} found")
    wrong = sum(len(part["found"]) for part in results.values())
    _tell(f"{wrong} unmeasured and unrefused")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="oracle", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--versions", nargs="+", default=["18", "15"])
    parser.add_argument(
        "--parts", nargs="+", default=["cases", "superuser", "incidents", "sqlsmith", "scripts"]
    )
    parser.add_argument("--examples", type=int, default=300, help="generated cases, for each role")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sqlsmith", type=int, default=1000, help="statements asked of sqlsmith")
    parser.add_argument("--scripts", nargs="*", default=[], help="regression scripts, all unless named")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="nothing more of a part is begun after so many"
    )
    parser.add_argument("--out", type=Path, default=DOCS)
    return parser


def _run(cluster: PgCluster, version: str, asked: argparse.Namespace) -> Any:
    made = {"examples": asked.examples, "start": asked.seed}
    for part in asked.parts:
        until = time.monotonic() + 60 * asked.minutes
        match part:
            case "cases":
                which = parts.every_case(start=asked.seed)
                yield "nested cases", parts.tried(cluster, which, _tell, until=until, **made)
            case "superuser":
                which = parts.every_case(superuser=True, start=asked.seed)
                tally = parts.tried(cluster, which, _tell, superuser=True, until=until, **made)
                yield "nested cases as a superuser", tally
            case "incidents":
                yield "incidents", parts.incidents(cluster, _tell, until=until)
            case "sqlsmith":
                smith = parts.sqlsmith(cluster, asked.sqlsmith, _tell, until=until)
                if smith is None:
                    _tell("sqlsmith is not installed: left out")
                else:
                    yield "sqlsmith", smith
            case "scripts":
                folder = regress.fetch()
                names = asked.scripts or regress.names(folder)
                yield "regression scripts", parts.scripts(cluster, folder, names, _tell, until=until)


def _write(folder: Path, results: dict[str, Any]) -> None:
    """What was not run this time stays as it was."""
    file = folder / "soundness.json"
    known: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    known.update(results)
    file.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
    (folder / "soundness.md").write_text(document(known), "utf-8")


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
