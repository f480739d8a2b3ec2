"""moto's own test suite, directly and through the gateway:

    python -m tests.real.aws.moto_suite [SERVICE …] [--subset] [--keep]      without names: all
    python -m tests.real.aws.moto_suite --write                              only the document

Ends with 1 when a difference has no reason. With --keep, or with --subset, results and document stay as they are.
"""

import argparse
import logging
import shutil
import sys

import structlog
from tests.real.aws.moto_suite import document, outcomes, running
from tests.real.aws.moto_suite.parts import PARTS
from tests.real.aws.moto_suite.running import Part
from tests.real.conformance import sources


def main() -> int:
    known = {part.service: part for part in PARTS}
    parser = argparse.ArgumentParser(prog="moto_suite")
    parser.add_argument("services", nargs="*", metavar="SERVICE", help=", ".join(known))
    parser.add_argument("--subset", action="store_true", help="only what make test runs")
    parser.add_argument("--keep", action="store_true", help="leave results and document as they are")
    parser.add_argument("--write", action="store_true", help="only write the document")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    bad, keep = 0, given.keep or given.subset
    for service in () if given.write else given.services or known:
        bad += _run(known[service], subset=given.subset, keep=keep)
    if not keep:
        document.FILE.write_text(document.written(), "utf-8")
    return 1 if bad else 0


def _run(part: Part, *, subset: bool, keep: bool) -> int:
    """How many differences have no reason."""
    folder = sources.CACHE / "runs" / f"moto-{part.service}"
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{part.service}: directly and through the gateway …", flush=True)
    try:
        result = outcomes.compare(part, running.both((part,), folder, subset=subset))
    except sources.Unfetched as missing:
        print(f"  left out: {missing}", flush=True)
        return 1
    if not keep:
        outcomes.save(result)
    left = outcomes.unexplained(result)
    print(
        f"  {result.same} tests the same, {len(result.differences)} differ, {len(left)} without a reason",
        flush=True,
    )
    for difference in left:
        print(
            f"  {difference.test}: {difference.direct} directly, {difference.gateway} through the gateway",
            flush=True,
        )
    return len(left)


if __name__ == "__main__":
    sys.exit(main())
