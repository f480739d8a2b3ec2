"""SQLAlchemy's own tests of its PostgreSQL dialect, and of what every dialect must do (`sqlalchemy.testing.suite`), on psycopg 3.

The distribution runs as it is, in pure Python, from its own `lib`."""

from tests.real.conformance import junit
from tests.real.conformance.suite import Outcome, Run, Suite

VERSION = "2.1.9"
SETUP = """
CREATE SCHEMA test_schema AUTHORIZATION il_agent;
CREATE SCHEMA test_schema_2 AUTHORIZATION il_agent;
DO $$ DECLARE wanted text; BEGIN
  FOR wanted IN SELECT name FROM pg_available_extensions WHERE name IN ('hstore', 'citext') LOOP
    EXECUTE 'CREATE EXTENSION ' || wanted;
  END LOOP;
END $$;
"""
"""What README.unittests.rst asks for."""


def run(what: Run) -> dict[str, Outcome]:
    url = what.place.url.replace("postgresql:", "postgresql+psycopg:")
    wanted = what.only or ["test/dialect/postgresql", "test/dialect/test_suite.py"]
    return junit.run(what, *wanted, "--dburi", url, "--maxfail=100000")


SUITE = Suite(
    "sqlalchemy",
    VERSION,
    run,
    needs=("psycopg[binary]", "greenlet", "typing_extensions", "pytest-xdist", *junit.NEEDS),
    setup=SETUP,
    settings={"max_prepared_transactions": "10"},
    postgres="15",  # Debian's has the extensions citext and hstore
)
