"""The parts of a run: the regression scripts, the grammar's cases, the incidents, and what sqlsmith makes up."""

import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from hypothesis import HealthCheck, Phase, given, seed, settings
from tests.incidents.scene import scene_of
from tests.real import regress
from tests.real.oracle.carry import Carry, Tally
from tests.real.oracle.cases import HARMS, SUPER_HARMS, Case, cases, each
from tests.real.oracle.clone import clones
from tests.real.oracle.state import Watcher

from interlock.testing.gateway import ROLES, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

QUIET = {"autovacuum": "off", "wal_level": "logical"}
"""Settings of the clusters: nothing but the statements changes the catalogs, and slots can be made."""

INCIDENTS = Path(__file__).parents[2] / "incidents" / "incidents.jsonl"
Tell = Callable[[str], None]


@contextmanager
def carrying(cluster: PgCluster, name: str, *, superuser: bool = False) -> Iterator[Carry]:
    """A new database behind an observing gateway."""
    database = cluster.create_database(name)
    prepare(database)
    keys: dict[str, Any] = {"mode": "observe", "limits": {"statement_timeout_s": 20}}
    top: dict[str, Any] = {}
    role = ROLES.upstream
    if superuser:
        role = "postgres"
        keys["upstream"] = {"dsn": f"postgresql://postgres@127.0.0.1:{cluster.port}/{name}?sslmode=disable"}
        top = {"environments": {"production": {"protection": "relaxed"}}}
    channels = ("bell", "notify_async1", "notify_async2")
    with tempfile.TemporaryDirectory() as state, tempfile.TemporaryDirectory() as files:
        Path(files).chmod(0o777)
        with Gateway(database, Path(state), keys=keys, top=top) as gateway:
            watcher = Watcher(database, role, channels=channels, folder=Path(files))
            carry = Carry(gateway, watcher, role, folder=Path(files))
            try:
                yield carry
            finally:
                carry.close()
                watcher.close()


def scripts(
    cluster: PgCluster, folder: Path, names: Iterable[str], tell: Tell, *, until: float = float("inf")
) -> Tally:
    """The regression scripts. `until` is a `time.monotonic()` after which no further one is begun."""
    with carrying(cluster, "oracle_scripts") as carry:
        where = {
            "abs_builddir": str(carry.folder),
            "abs_srcdir": str(carry.folder),
            "libdir": str(carry.folder),
        }
        for name in names:
            if time.monotonic() > until:
                tell(f"out of time before {name}")
                break
            before, began = carry.tally.statements, time.monotonic()
            carry.run(regress.statements(folder, name, {**where, "dlsuffix": ".so"}))
            carry.tally.scripts.append(name)
            seconds = time.monotonic() - began
            tell(
                f"{name}: {carry.tally.statements - before} statements, {seconds:.1f} s, {len(carry.tally.found)} found"
            )
        return carry.tally


def tried(
    cluster: PgCluster,
    which: Iterable[Case],
    tell: Tell,
    *,
    superuser: bool = False,
    examples: int = 0,
    start: int = 0,
    until: float = float("inf"),
) -> Tally:
    """Cases of the grammar: those given, then as many generated ones as `examples` says, from the seed `start`. None is begun
    after `until`."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as state, clones(cluster, Path(state), superuser=superuser) as pair:

        def one(case: Case) -> None:
            if time.monotonic() > until:
                return
            found = pair.run(case)
            tally.statements += len(case.messages)
            tally.units += 1
            tally.changed += bool(found.direct)
            tally.outcomes[found.outcome] += 1
            if found.wrong:
                tally.found.append((" / ".join(case.path), "\n".join(case.messages), tuple(found.wrong)))
                tell(f"{case.path}: {found.wrong[:3]}")

        for case in which:
            one(case)
        if examples:
            _generated(one, superuser, examples, start)
    return tally


def _generated(one: Callable[[Case], None], superuser: bool, examples: int, start: int) -> None:
    @seed(start)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(HARMS + SUPER_HARMS if superuser else HARMS))
    def run(case: Case) -> None:
        one(case)

    run()


def every_case(*, superuser: bool = False, start: int = 1) -> list[Case]:
    """In an order by chance: a run that ends early has seen something of everything."""
    found = each(SUPER_HARMS) if superuser else each(HARMS)
    random.Random(start).shuffle(found)
    return found


def incidents(cluster: PgCluster, tell: Tell, *, until: float = float("inf")) -> Tally:
    """The documented incidents, each in a database that its harm is possible in."""
    total = Tally()
    lines = [json.loads(line) for line in INCIDENTS.read_text("utf-8").splitlines() if line.strip()]
    for number, incident in enumerate(one for one in lines if one["surface"] == "sql"):
        if time.monotonic() > until:
            break
        scene = scene_of(incident["payload"])
        for role in sorted(scene.roles - {"public"}):
            if not cluster.psql(f"SELECT FROM pg_roles WHERE rolname = '{role}'"):
                cluster.psql(f'CREATE ROLE "{role}"')
        with carrying(cluster, f"oracle_incident_{number}") as carry:
            _furnish(carry.gateway.database, scene.sql(rows=30))
            carry.gateway.reread()
            carry.watcher.look()
            carry.run(regress.split(incident["payload"], incident["id"]))
            total.add(carry.tally)
            for found in carry.tally.found:
                tell(f"{found[0]}: {found[2][:3]}")
    return total


def _furnish(database: PgDatabase, script: str) -> None:
    database.psql(
        f"ALTER SCHEMA public OWNER TO {ROLES.upstream}; GRANT CREATE ON SCHEMA public TO {ROLES.upstream}"
    )
    with database.connect(user=ROLES.upstream, autocommit=True) as connection:
        for statement in regress.split(script):
            try:
                connection.execute(statement.text.encode())
            except psycopg.Error:
                continue  # a function that the incident names and the server has; the rest of the scene stands


def sqlsmith(cluster: PgCluster, count: int, tell: Tell, *, until: float = float("inf")) -> Tally | None:
    """As many statements as sqlsmith is asked for, but none after `until`; None where it is not installed."""
    program = shutil.which("sqlsmith")
    if program is None:
        return None
    with carrying(cluster, "oracle_sqlsmith") as carry:
        _furnish(carry.gateway.database, SHOP)
        carry.gateway.reread()
        carry.watcher.look()
        target = carry.gateway.database.dsn()
        command = [program, f"--target={target}", "--dry-run", f"--max-queries={count}", "--seed=1"]
        made = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            env={**os.environ, "LC_ALL": "C"},
        )
        carry.run(s for s in regress.split(made.stdout, "sqlsmith") if time.monotonic() < until)
        for found in carry.tally.found:
            tell(f"{found[0]}: {found[2][:3]}")
        return carry.tally


SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text, born date);
CREATE TABLE orders (
    id serial PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, total numeric, at timestamptz DEFAULT now()
);
CREATE TABLE lines (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, ordered int REFERENCES orders ON DELETE CASCADE, what text
);
CREATE TABLE log (at timestamptz DEFAULT now(), what text);
INSERT INTO customers SELECT i, 'customer ' || i, date '2000-01-01' + i FROM generate_series(1, 50) i;
INSERT INTO orders (customer, total) SELECT i % 50 + 1, i FROM generate_series(1, 100) i;
INSERT INTO lines (ordered, what) SELECT i % 100 + 1, 'thing ' || i FROM generate_series(1, 200) i;
CREATE VIEW spent AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer;
CREATE FUNCTION logged() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log (what) VALUES (TG_OP); RETURN NULL; END';
CREATE TRIGGER logging AFTER INSERT OR UPDATE OR DELETE ON lines FOR EACH STATEMENT EXECUTE FUNCTION logged();
CREATE FUNCTION forget(n int) RETURNS int LANGUAGE sql AS 'DELETE FROM lines WHERE id = n; SELECT n';
CREATE FUNCTION raise_total(n int) RETURNS numeric LANGUAGE sql AS
    'UPDATE orders SET total = total + 1 WHERE id = n RETURNING total';
"""
