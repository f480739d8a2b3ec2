"""psycopg2's own tests. The driver itself comes as a wheel of the same version, the tests from the source distribution."""

from tests.real.conformance import junit
from tests.real.conformance.suite import Outcome, Run, Suite

VERSION = "2.9.13"


def run(what: Run) -> dict[str, Outcome]:
    place = what.place
    names = {"PSYCOPG2_TESTDB": place.database, "PSYCOPG2_TEST_FAST": ""}
    # Beside the tests lies the source of the driver, which is not built: it must not be found first.
    tests = what.folder / "tests"
    if not tests.exists():
        tests.symlink_to(what.source / "tests", target_is_directory=True)
    (what.folder / "pytest.ini").write_text("[pytest]\n", "utf-8")  # else it takes ours, further up
    return junit.run(what, *(what.only or ["tests"]), environment=names, folder=what.folder)


SUITE = Suite(
    "psycopg2",
    VERSION,
    run,
    needs=(f"psycopg2-binary=={VERSION}", *junit.NEEDS),
    subset=("tests/test_transaction.py", "tests/test_with.py"),
)
