"""The story, step by step. Each asserts what it shows, on the database itself."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from interlock.cli.demo.show import Teller
from interlock.cli.demo.stage import Failed, Stage
from interlock.ledger import tiles

CLEANUP = "SELECT shop.cleanup()"
RECREATE = (
    "DROP SCHEMA shop CASCADE",
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.customers (id integer PRIMARY KEY, name text)",
    "CREATE TABLE shop.orders (id integer PRIMARY KEY, customer_id integer)",
)


class Story:
    """The steps, with what later ones need of earlier ones."""

    def __init__(self, stage: Stage, teller: Teller) -> None:
        self._stage = stage
        self._teller = teller
        self._cleanup = ""
        self._before: dict[str, str] = {}

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """Title and function of each; the function returns the outcome in words, or raises Failed."""
        return [
            ("1  Ordinary work passes", self._ordinary),
            ("2  Deleting and recreating the schema is held", self._recreate),
            ("3  A harmless-looking function is measured and held", self._function),
            ("4  Two people approve, not the owner", self._approve),
            ("5  Mass updates meet two limits; a small one is reverted", self._updates),
            ("6  The approved deletion is reverted", self._revert),
            ("7  One command stops everything, and a person lets it go on", self._halt),
            ("8  The ledger proves it", self._ledger),
        ]

    # 1

    def _ordinary(self) -> str:
        with self._stage.agent("fixer") as agent:
            (count,) = self._one(agent, "SELECT count(*) FROM shop.orders WHERE status = 'open'")
            rows = agent.execute(
                "SELECT name, amount FROM shop.open_orders ORDER BY amount DESC LIMIT 3"
            ).fetchall()
            _must(len(rows) == 3 and count > 100, "the reads answered something else")
            insert = (
                "INSERT INTO shop.customers (email, name, created_at) VALUES (%s, %s, now()) RETURNING id"
            )
            self._teller.sql(agent.info.user, insert)
            (new,) = self._one(agent, insert, ("new@example.org", "New Customer"), show=False)
            self._run(agent, "UPDATE shop.orders SET status = 'shipped' WHERE id = 42")
        seen = self._stage.database.psql(f"SELECT name FROM shop.customers WHERE id = {new}")
        _must(seen == [("New Customer",)], "the row is not in the database")
        return f"{count} open orders read, one row inserted, one updated; nobody was asked"

    # 2

    def _recreate(self) -> str:
        before = self._stage.contents()
        with self._stage.agent("fixer") as agent:
            error = self._held(agent, *RECREATE)
        _must("customers" in error and "rows" in error, "the loss was not told")
        _must(self._stage.contents() == before, "the database was touched")
        change = _change_of(error)
        self._person(
            "deny",
            change,
            "--as",
            "ann",
            "--key",
            self._stage.key("ann"),
            "--reason",
            "use a migration",
            "--yes",
        )
        return f"{change} held with its loss counted, then denied; the database is untouched"

    # 3

    def _function(self) -> str:
        self._before = self._stage.contents()
        with self._stage.agent("fixer") as agent:
            error = self._held(agent, CLEANUP)
        _must("payments" in error, "the cascade was not counted")
        _must(self._stage.contents() == self._before, "the database was touched")
        self._cleanup = _change_of(error)
        return f"{self._cleanup} held: the cascade behind the call was counted"

    # 4

    def _approve(self) -> str:
        change, key = self._cleanup, self._stage.key
        said = self._person("approve", change, "--as", "olga", "--key", key("olga"), "--yes", fails=True)
        _must("own" in (said.out + said.err).lower(), "the owner was not told why")
        self._person(
            "approve", change, "--as", "ann", "--key", key("ann"), "--yes", "--reason", "old customers may go"
        )
        with self._stage.agent("fixer") as agent:
            self._held(agent, CLEANUP, show=False)
            self._person("approve", change, "--as", "ben", "--key", key("ben"), "--yes")
            (count,) = self._one(agent, CLEANUP)
        left = self._stage.database.psql(
            "SELECT count(*) FROM shop.customers WHERE created_at < '2024-01-01'"
        )
        _must(count > 100 and left == [(0,)], "the approved call did not delete")
        return f"the owner was refused; after two approvals the same call deleted {count} customers and what hangs on them"

    # 5

    def _updates(self) -> str:
        with self._stage.agent("batch") as agent:
            before = self._stage.contents()
            self._held(agent, "UPDATE shop.orders SET amount = amount * 1.1 WHERE id <= 1400")
            _must(self._stage.contents() == before, "the held update was applied")
            refused = self._refused(
                agent, "UPDATE shop.payments SET amount = 0; UPDATE shop.orders SET amount = 0"
            )
            _must("1,500" in refused or "1500" in refused, "the limit of the grant was not named")
            _must(self._stage.contents() == before, "the refused update was applied")
            self._run(
                agent,
                "UPDATE shop.orders SET amount = amount + 1, notes = '{}' WHERE id BETWEEN 1500 AND 1505",
            )
        change = self._newest("batch")
        _must(self._stage.contents()["orders"] != before["orders"], "the small update was not applied")
        self._person("revert", change, "--as", "ann", "--key", self._stage.key("ann"), "--yes")
        _must(self._stage.contents()["orders"] == before["orders"], "the revert is not exact")
        return f"one held, one refused, {change} committed and reverted exactly"

    # 6

    def _revert(self) -> str:
        self._person("revert", self._cleanup, "--as", "ben", "--key", self._stage.key("ben"), "--yes")
        after = self._stage.contents()
        for table in ("customers", "orders", "payments"):
            _must(after[table] == self._before[table], f"{table} is not as it was")
        return "every customer, order and payment is back, byte for byte"

    # 7

    def _halt(self) -> str:
        text = "UPDATE shop.orders SET amount = 0 WHERE id = 42"
        before = self._stage.contents()
        with self._stage.agent("fixer") as agent:
            agent.execute("BEGIN")
            self._run(agent, text)
            self._person("halt", "--reason", "it sets prices to nothing")
            told = _cut_off(agent)
        self._teller.answer(told)
        _must("halted" in told, "the agent was not told why")
        try:
            self._stage.agent("fixer").close()
        except psycopg.OperationalError:
            pass
        else:
            raise Failed("an agent was let in")
        _must(self._stage.contents() == before, "something of it is left")
        self._person("resume", "--reason", "its instructions are mended")
        with self._stage.agent("fixer") as agent:
            self._one(agent, "SELECT status FROM shop.orders WHERE id = 42")
        return "the agent was cut off, its open transaction is gone, nobody came in; then work went on"

    # 8

    def _ledger(self) -> str:
        folder = self._stage.folder / "export"
        self._person("ledger", "export", str(folder))
        self._person("ledger", "verify", "--export", str(folder))
        copy = self._stage.folder / "altered"
        shutil.copytree(folder, copy)
        index = _alter(copy)
        said = self._person("ledger", "verify", "--export", str(copy), fails=True)
        _must(str(index) in said.out + said.err, "the altered entry was not named")
        return f"all entries verify; with entry {index} altered in a copy, verification names it"

    # Tools

    def _run(self, agent: psycopg.Connection[Any], text: str) -> None:
        self._teller.sql(agent.info.user, text)
        agent.execute(text)

    def _one(
        self,
        agent: psycopg.Connection[Any],
        text: str,
        params: tuple[Any, ...] | None = None,
        *,
        show: bool = True,
    ) -> Any:
        if show:
            self._teller.sql(agent.info.user, text)
        row = agent.execute(text, params).fetchone()
        _must(row is not None, "no row came back")
        return row

    def _held(self, agent: psycopg.Connection[Any], *texts: str, show: bool = True) -> str:
        return self._error(agent, "IL001", texts, show)

    def _refused(self, agent: psycopg.Connection[Any], *texts: str) -> str:
        return self._error(agent, "IL002", texts, True)

    def _error(self, agent: psycopg.Connection[Any], code: str, texts: tuple[str, ...], show: bool) -> str:
        try:
            with agent.transaction() if len(texts) > 1 else _plain():
                for text in texts:
                    if show:
                        self._teller.sql(agent.info.user, text)
                    agent.execute(text)
        except psycopg.Error as error:
            diag = error.diag
            told = "\n".join(
                filter(
                    None,
                    (f"{error.sqlstate}  {diag.message_primary}", diag.message_detail, diag.message_hint),
                )
            )
            if show:
                self._teller.answer(told)
            _must(error.sqlstate == code, f"expected SQLSTATE {code}")
            return told
        raise Failed(f"{texts[0]} was let through")

    def _person(self, *words: str, fails: bool = False) -> Any:
        said = self._stage.interlock(*words)
        self._teller.command(self._stage.commands[-1])
        if fails or said.code:
            self._teller.answer((said.out + said.err).strip())
        _must(bool(said.code) == fails, "the command ended otherwise than expected")
        return said

    def _newest(self, agent: str) -> str:
        page = self._stage.must("changes", "--agent", agent, "--json").json()
        return str(page["changes"][0]["id"])


def _cut_off(agent: psycopg.Connection[Any]) -> str:
    """What the agent hears when it goes on."""
    try:
        agent.execute("COMMIT")
    except psycopg.Error as error:
        return str(error)
    raise Failed("the agent went on")


class _plain:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def _must(fact: object, otherwise: str) -> None:
    if not fact:
        raise Failed(otherwise)


def _change_of(error: str) -> str:
    place = error.find("CHG-")
    _must(place >= 0, "the error names no change")
    return error[place : place + 12]


def _alter(copy: Path) -> int:
    """Alter one stored intent of an export, as someone who hides traces would; returns its index."""
    for path in sorted(copy.glob("tile/entries/**/*")):
        if not path.is_file():
            continue
        entries = list(tiles.split_bundle(path.read_bytes()))
        for place, entry in enumerate(entries):
            if b'"kind":"intent"' in entry:
                entries[place] = entry.replace(b'"agent":"fixer"', b'"agent":"nobod"')
                _must(entries[place] != entry, "the entry names no agent")
                path.write_bytes(tiles.join_bundle(entries))
                return place
    raise Failed("the export holds no intent")
