"""asyncpg's own tests. The driver itself comes as a wheel of the same version, the tests from the source distribution."""

from tests.real.conformance import junit
from tests.real.conformance.suite import Outcome, Run, Suite

VERSION = "0.32.0"


def run(what: Run) -> dict[str, Outcome]:
    # Beside the tests lies the source of the driver, which is not built: it must not be found first.
    tests = what.folder / "tests"
    if not tests.exists():
        tests.symlink_to(what.source / "tests", target_is_directory=True)
    (what.folder / "pytest.ini").write_text("[pytest]\n", "utf-8")  # else it takes ours, further up
    return junit.run(what, *(what.only or ["tests"]), folder=what.folder)


SUITE = Suite(
    "asyncpg",
    VERSION,
    run,
    needs=(f"asyncpg=={VERSION}", "distro", "uvloop", *junit.NEEDS),
    database="postgres",  # some of its tests name it
    subset=("tests/test_transaction.py", "tests/test_cursor.py"),
)
