"""`make conformance`: run the suites both ways, keep what they came to, and write docs/conformance.md.

    python -m tests.real.conformance [SUITE …] [--version 18] [--subset] [--keep]      without names: all
    python -m tests.real.conformance --write                                          only the document

Ends with 1 when a difference has no reason. With --keep, or with --subset, results and document stay as they are.
"""

import argparse
import importlib
import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
from tests.real.conformance import document, results, running, sources
from tests.real.conformance.suite import Suite

from interlock.testing.peers.pg import PgCluster

SUITES = Path(__file__).parent / "suites"


def suite(name: str) -> Suite:
    """A suite by its name. ModuleNotFoundError when there is none."""
    found = importlib.import_module(f"tests.real.conformance.suites.{name}").SUITE
    assert isinstance(found, Suite)
    return found


def names() -> list[str]:
    return sorted(path.stem for path in SUITES.glob("*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(names()))
    parser.add_argument("--version", default="18", help="of PostgreSQL")
    parser.add_argument("--subset", action="store_true", help="only what make test runs")
    parser.add_argument("--keep", action="store_true", help="leave results and document as they are")
    parser.add_argument("--write", action="store_true", help="only write the document")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    bad = 0
    if not given.write:
        for name in given.suites or names():
            bad += _run(suite(name), given.version, subset=given.subset, keep=given.keep or given.subset)
    if not (given.keep or given.subset):
        document.FILE.write_text(document.written(), "utf-8")
    return 1 if bad else 0


def _both(wanted: Suite, version: str, folder: Path, only: Sequence[str]) -> tuple[running.Both, str]:
    """What came of it both ways, and the server's version. Raises Unfetched."""
    settings = {"max_connections": "200", **wanted.settings}
    with PgCluster.start(wanted.postgres or version, fsync=False, settings=settings) as cluster:
        found = running.both(wanted, cluster, folder, only)
        ((postgres,),) = cluster.psql("SHOW server_version")
    return found, str(postgres).split()[0]


def _run(wanted: Suite, version: str, *, subset: bool, keep: bool) -> int:
    """How many differences have no reason."""
    folder = sources.CACHE / "runs" / wanted.name
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{wanted.name} {wanted.version}: directly and through the gateway …", flush=True)
    try:
        found, postgres = _both(wanted, version, folder, wanted.subset if subset else ())
    except sources.Unfetched as missing:
        print(f"  left out: {missing}", flush=True)
        return 1
    result = results.compare(wanted, postgres, found)
    if not keep:
        results.save(result)
    left = results.unexplained(result)
    print(
        f"  {result.same} tests the same, {len(result.differences)} differ, {len(left)} of them without a reason"
    )
    for difference in left:
        print(f"  {difference.test}: {difference.direct} directly, {difference.gateway} through the gateway")
    print(f"  what the runs said: {folder}", flush=True)
    return len(left)


if __name__ == "__main__":
    sys.exit(main())
