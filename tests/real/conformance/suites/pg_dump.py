"""pg_dump and psql (pg_restore): what is dumped is put back, and dumped again as it was."""

import re
from functools import partial

from tests.real.conformance.steps import Steps, demand
from tests.real.conformance.suite import Outcome, Run, Suite

CONTENT = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
CREATE SEQUENCE tickets START 100 INCREMENT 5;
CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql IMMUTABLE RETURN i * 2;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := ''stamped''; RETURN NEW; END';
CREATE PROCEDURE nothing() LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE TABLE people (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, feels mood DEFAULT 'ok', age positive,
    two pair, tags text[], doubled int GENERATED ALWAYS AS (twice(1)) STORED, raw bytea, note text, at timestamptz, n numeric
);
COMMENT ON TABLE people IS 'those with a "name"';
COMMENT ON COLUMN people.name IS 'it''s one';
CREATE TABLE logs (at date NOT NULL, line text) PARTITION BY RANGE (at);
CREATE TABLE logs_old PARTITION OF logs FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE logs_new PARTITION OF logs DEFAULT;
CREATE TABLE base (a int); CREATE TABLE derived (b int) INHERITS (base);
CREATE TABLE orders (
    id int PRIMARY KEY, who int REFERENCES people ON DELETE CASCADE DEFERRABLE, ticket int DEFAULT nextval('tickets'));
CREATE INDEX ON people (lower(name)) WHERE age > 10;
CREATE INDEX ON logs (at);
CREATE STATISTICS people_stats ON name, age FROM people;
CREATE VIEW adults AS SELECT id, name FROM people WHERE age >= 18 WITH CHECK OPTION;
CREATE MATERIALIZED VIEW counted AS SELECT feels, count(*) FROM people GROUP BY feels;
CREATE TRIGGER stamps BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE RULE quiet AS ON DELETE TO base DO INSTEAD NOTHING;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON orders USING (who > 0);
GRANT SELECT ON adults TO PUBLIC;
INSERT INTO people (name, feels, age, two, tags, raw, at, n)
    SELECT 'p' || i, (ARRAY['sad', 'ok', 'happy'])[i % 3 + 1]::mood, i, ROW(i, E'x\\ty\\n"' || i)::pair, ARRAY['a,b', 'c"d', NULL],
    decode(md5(i::text), 'hex'), timestamptz '2024-02-29 12:00Z' + i * interval '1 hour', i / 7.0 FROM generate_series(1, 500) i;
INSERT INTO logs SELECT date '2019-06-01' + i, 'line ' || i FROM generate_series(1, 500) i;
INSERT INTO derived VALUES (1, 2); INSERT INTO base VALUES (3);
INSERT INTO orders SELECT i, i FROM generate_series(1, 100) i;
REFRESH MATERIALIZED VIEW counted;
"""
_CLEAR = """DO $$ DECLARE found record; BEGIN
FOR found IN SELECT format('DROP %s %s CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S'
    THEN 'SEQUENCE' ELSE 'TABLE' END, quote_ident(relname)) AS sql FROM pg_class WHERE relnamespace = 'public'::regnamespace
    AND relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT relispartition
    AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = pg_class.oid AND d.deptype IN ('a', 'i') AND relkind = 'S')
LOOP BEGIN EXECUTE found.sql; EXCEPTION WHEN undefined_table THEN NULL; END; END LOOP;
FOR found IN SELECT format('DROP ROUTINE %s CASCADE', oid::regprocedure) AS sql FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
LOOP EXECUTE found.sql; END LOOP;
DROP TYPE IF EXISTS mood, pair; DROP DOMAIN IF EXISTS positive;
END $$"""
_DUMPS = {
    "plain": (),
    "as INSERTs": ("--inserts", "--rows-per-insert=100"),
    "as INSERTs with columns": ("--column-inserts", "--on-conflict-do-nothing"),
}
_SALT = re.compile(r"^\\(un)?restrict .*$", re.MULTILINE)
"""pg_dump's protection against what names may hold has a new random word each time."""


def run(what: Run) -> dict[str, Outcome]:
    steps = Steps(what)
    dumps: dict[str, str] = {}
    if not steps.step("content by psql", lambda: _psql(steps, CONTENT)):
        return steps.outcomes
    forms = {"custom": (), "directory": ("-j", "2")} if not what.only else {"directory": ("-j", "2")}
    for name, options in _DUMPS.items() if not what.only else [("plain", ())]:
        steps.step(f"dump {name}", partial(_keep, steps, dumps, name, options))
    for form, parallel in forms.items():
        archive = ("-F", form[0], "-f", str(what.folder / form), *parallel)
        steps.step(f"dump {form}", partial(_dump, steps, *archive))
    text = dumps.get("plain", "")
    steps.step("the dump is the server's own", lambda: _same(text, _dump_directly(steps)))
    for name, dumped in dumps.items():
        _restored(steps, f"psql, {name}", text, partial(_psql, steps, dumped))
    if not what.only:
        _restored(steps, "psql in one transaction", text, lambda: _psql(steps, text, "-1"))
    restore = ("--no-owner", "-e", "-d", what.place.database)
    for form, more in forms.items():
        arguments = (*restore, *more, str(what.folder / form))
        _restored(steps, f"pg_restore, {form}", text, partial(_pg_restore, steps, *arguments))
    return steps.outcomes


def _keep(steps: Steps, dumps: dict[str, str], name: str, options: tuple[str, ...]) -> None:
    dumps[name] = _dump(steps, *options)


def _pg_restore(steps: Steps, *arguments: str) -> None:
    steps.program("pg_restore", *arguments)


def _restored(steps: Steps, name: str, text: str, restore: "object") -> None:
    assert callable(restore)
    steps.run.database.psql(_CLEAR)
    if steps.step(f"restore by {name}", restore):
        steps.step(f"restored by {name}, it is as it was", lambda: _same(_dump(steps), text))


def _psql(steps: Steps, script: str, *options: str) -> None:
    steps.program("psql", "-Xq", "-v", "ON_ERROR_STOP=1", *options, script=script)


def _dump(steps: Steps, *options: str) -> str:
    return _SALT.sub("", steps.program("pg_dump", *_WHAT, *options))


_WHAT = ("--exclude-schema=interlock*", "--no-owner", "--no-privileges")


def _dump_directly(steps: Steps) -> str:
    place = steps.run
    direct = place.database.dsn()
    return _SALT.sub("", steps.program("pg_dump", *_WHAT, "-d", direct))


def _same(one: str, other: str) -> None:
    lines, others = one.splitlines(), other.splitlines()
    different = next((pair for pair in zip(lines, others, strict=False) if pair[0] != pair[1]), None)
    demand(one == other, f"{len(lines)} and {len(others)} lines; the first that differ: {different}")


SUITE = Suite("pg_dump", "", run, fetched=False, subset=("one way each",))
