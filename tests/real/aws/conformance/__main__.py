"""`make conformance-aws`: every operation of every service, made by botocore's clients and read by the codec.

    python -m tests.real.aws.conformance [SERVICE …] [--keep]      without names: all, and docs/conformance-aws.md is written

Ends with 1 when a request is read as another operation, when a difference has no reason, or when a goal is missed.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.real.aws.conformance import document, models
from tests.real.aws.conformance.compare import RIGHT, WRONG
from tests.real.aws.conformance.reasons import reason_of
from tests.real.aws.conformance.run import Case, run, run_others

from interlock.connectors.aws.codec import Codec

GOALS = {True: 0.999, False: 0.985}


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance-aws")
    parser.add_argument("services", nargs="*", metavar="SERVICE")
    parser.add_argument("--keep", action="store_true", help="leave the document as it is")
    given = parser.parse_args()
    index = models.of_all()
    services = given.services or sorted(index.heads)
    cases = [*run(Codec(index), services), *run_others(Codec(index), services)]
    bad = _bad(cases)
    for line in bad:
        print(line)
    print(
        f"read right: {document.share(cases, True):.4%} per service, {document.share(cases, False):.4%} with one endpoint"
    )
    if not (given.keep or given.services):
        document.write(cases)
        bad += [f"missed: {goal:%}" for own, goal in GOALS.items() if document.share(cases, own) < goal]
    return 1 if bad else 0


def _bad(cases: Sequence[Case]) -> list[str]:
    return [
        f"{case.service} {case.operation} ({'own' if case.own else 'one'} endpoint): {case.outcome.kind}: {case.outcome.detail}"
        for case in cases
        if case.outcome.kind == WRONG or (case.outcome.kind != RIGHT and not reason_of(case))
    ]


if __name__ == "__main__":
    sys.exit(main())
