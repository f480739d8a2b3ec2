"""The shape of a suite that others wrote, and what a test of it came to.

A suite is a value `SUITE` in a module of `suites/`. It is run twice on equally prepared databases of the same name, by roles with
the same rights: once to the server itself and once through the gateway. What differs is reported test by test.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from interlock.testing.gateway import TARGET, Gateway
from interlock.testing.peers.pg import PgDatabase


class Outcome(StrEnum):
    """What a test came to. A test that one of the runs does not know at all is ABSENT there."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a suite connects to. No TLS on either way."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str

    @property
    def url(self) -> str:
        """A `postgresql://` URL; the rest of it is the suite's to say."""
        login = f"{self.user}:{quote(self.password, safe='')}"
        return f"postgresql://{login}@{self.host}:{self.port}/{self.database}"

    def environment(self) -> dict[str, str]:
        """libpq's variables for this place, over the variables that are no PG… ones."""
        ours = {k: v for k, v in os.environ.items() if not k.startswith("PG") and k != "PYTHONPATH"}
        return {
            **ours,
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.database,
            "PGSSLMODE": "disable",
        }


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a suite. `source` is its unpacked distribution, `python` the interpreter of its own environment, `folder` an empty
    folder for what the run writes. `only` are tests of the suite's own `subset`, or empty for all. `database` is the database
    behind the place, for what only a superuser prepares. `gateway` is None for the direct run."""

    source: Path
    python: Path
    place: Place
    folder: Path
    only: Sequence[str]
    database: PgDatabase
    gateway: Gateway | None

    @property
    def bindir(self) -> Path:
        """Where psql, pgbench and pg_dump of the server's own version are."""
        return self.database.cluster.bindir


@dataclass(frozen=True, slots=True)
class Suite:
    """`name` and `version` of the source distribution, the packages its environment `needs` (pip's requirements), and the function
    that runs it. `subset` are the tests that every `make test` runs. `fetched` is False for suites that come without a source
    distribution of their own (pgbench, say). `setup` is SQL for a superuser in the fresh database, `database` is the name of
    that and of the target. `keys` and `top` go to the
    gateway's configuration as those of `interlock.testing.gateway.Gateway`."""

    name: str
    version: str
    run: Callable[[Run], Mapping[str, Outcome]]
    needs: Sequence[str] = ()
    subset: Sequence[str] = ()
    fetched: bool = True
    setup: str = ""
    database: str = TARGET
    keys: Mapping[str, object] = field(default_factory=dict)
    top: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    """PostgreSQL's, for the cluster."""
    postgres: str = ""
    """The version that it runs on, whatever is asked for: when it needs extensions that come with one only."""
    patience_s: int = 3600
    """How long a run may take before it is called hung, in seconds."""
