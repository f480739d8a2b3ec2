"""alembic's own tests, on psycopg 3; those that need no database count too."""

from tests.real.conformance import junit
from tests.real.conformance.suite import Outcome, Run, Suite
from tests.real.conformance.suites.sqlalchemy import SETUP

VERSION = "1.20.1"


def run(what: Run) -> dict[str, Outcome]:
    url = what.place.url.replace("postgresql:", "postgresql+psycopg:")
    return junit.run(what, *(what.only or ["tests"]), "--dburi", url, "--maxfail=100000")


SUITE = Suite(
    "alembic",
    VERSION,
    run,
    needs=(
        f"alembic=={VERSION}",
        "black",
        "psycopg[binary]",
        "pytest-xdist",
        "sqlalchemy==2.1.9",
        "tzdata",
        *junit.NEEDS,
    ),
    setup=SETUP,
    postgres="15",  # Debian's has the extensions citext and hstore
)
