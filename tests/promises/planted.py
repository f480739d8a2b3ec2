"""Secrets that cannot be anywhere by chance, and one life of a server as a process in which they are all used: with everything that
goes wrong on the way. What it said and left behind is kept to be searched."""

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import psycopg
import yaml
from tests.real.conftest import until

from interlock.cli import keyfile
from interlock.model.change import Statement
from interlock.testing import signing
from interlock.testing.gateway import ROLES, address
from interlock.testing.peers.pg import PgDatabase


def planted(what: str) -> str:
    return f"Planted{what.title()}{secrets.token_hex(8)}"


CREDENTIALS = {
    "upstream": planted("upstream"),
    "rotated upstream": planted("rotated"),
    "observer": planted("observer"),
    "maintainer": planted("maintainer"),
    "wrong": planted("wrong"),
    "unreachable": planted("unreachable"),
    "of a command that fails": planted("command"),
    "in a dsn": planted("dsn"),
    "inline": planted("inline"),
    "of a store": planted("store"),
    "passphrase": planted("passphrase"),
    "master key": base64.b64encode(planted("key").encode().ljust(32)[:32]).decode(),
}
TEXTS = {name: planted(name) for name in ("row", "new", "literal", "parameter", "copied", "comment")}
"""Row values, and parts of statements."""


def shapes(secret: str) -> dict[str, bytes]:
    """How a text may be written down."""
    raw = secret.encode()
    found = {
        "as it is": raw,
        "in a URL": quote(secret, safe="").encode(),
        "in hexadecimal": raw.hex().encode(),
        "in base64": base64.b64encode(raw).rstrip(b"=")[:-1],
    }
    if secret == CREDENTIALS["master key"]:
        found["decoded"] = base64.b64decode(secret)
    return found


def filled(text: str) -> str:
    for name, value in TEXTS.items():
        text = text.replace(f"{{{name}}}", value)
    return text


@dataclass
class Life:
    """`said` is everything that was said, by whom; `tokens` are those of the agents; `states` those that changes came to."""

    folder: Path
    database: PgDatabase
    tokens: dict[str, str] = field(default_factory=dict)
    said: dict[str, bytes] = field(default_factory=dict)
    states: set[str] = field(default_factory=set)

    def tell(self, name: str, data: bytes | str) -> None:
        self.said[name] = self.said.get(name, b"") + (data if isinstance(data, bytes) else data.encode())

    @property
    def environment(self) -> dict[str, str]:
        names = {"UPSTREAM": "upstream", "WRONG": "wrong", "GONE": "unreachable", "MASTER": "master key"}
        given = {name: CREDENTIALS[what] for name, what in names.items()}
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("INTERLOCK", "PG"))}
        return {**plain, **given, "NO_COLOR": "1"}

    def interlock(self, *words: str) -> tuple[int, bytes]:
        """A command as a process: its status, and all that it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "interlock", *words],
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False, timeout=60,
        )  # fmt: skip
        return done.returncode, done.stdout

    def files(self) -> dict[str, bytes]:
        """What lies on the disk afterwards, but for what holds secrets by its purpose."""
        found = {p.relative_to(self.folder).as_posix(): p for p in self.folder.rglob("*") if p.is_file()}
        return {name: p.read_bytes() for name, p in found.items() if not name.endswith((".secret", ".key"))}


def configuration(life: Life) -> str:
    """A target that is served, and three that cannot be: a wrong password, nobody there, a secret that cannot be had."""
    server = f"127.0.0.1:{life.database.cluster.port}/{life.database.name}?sslmode=disable"

    def role(name: str, password: object, where: str = server) -> dict[str, object]:
        return {"dsn": f"postgresql://{name}@{where}", "password": password}

    def target(upstream: dict[str, object], **more: object) -> dict[str, object]:
        known = {"connector": "postgres", "environment": "production", "listen": "127.0.0.1:0"}
        return {**known, "upstream": upstream, **more}

    secret_files = {"observer": "observer", "maintainer": "maintainer", "command": "of a command that fails"}
    for name, what in secret_files.items():
        (life.folder / f"{name}.secret").write_text(CREDENTIALS[what])
    fails = {"command": ["sh", "-c", "cat command.secret; cat command.secret >&2; exit 3"]}
    config = {
        "store": "sqlite:///interlock.db",
        "state_dir": "var",
        "api": {"listen": "127.0.0.1:0"},
        "master_key": {"env": "MASTER"},
        "environments": {"production": {"protection": "strict"}},
        "breakers": "off",
        "quorums": {"two-sre": {"count": 2, "group": "sre"}},
        "targets": {
            "shop": target(
                role(ROLES.upstream, {"env": "UPSTREAM"}),
                observer=role(ROLES.observer, {"file": "observer.secret"}),
                maintainer=role(ROLES.maintainer, {"command": ["cat", "maintainer.secret"]}),
            ),
            "wrong": target(role(ROLES.upstream, {"env": "WRONG"})),
            "gone": target(role(ROLES.upstream, {"env": "GONE"}, "127.0.0.1:1/shop?sslmode=disable")),
            "silent": target(role(ROLES.upstream, fails)),
        },
    }
    return yaml.safe_dump(config, sort_keys=False)


def spoiled(good: str, port: int) -> Mapping[str, str]:
    """Configurations that are not accepted, with a secret in a wrong place."""
    inline, dsn, store = (CREDENTIALS[name] for name in ("inline", "in a dsn", "of a store"))
    upstream, file = "password:\n        env: UPSTREAM", "sqlite:///interlock.db"
    assert upstream in good
    return {
        "inline": good.replace(upstream, f"password: {inline}"),
        "in a list": good.replace(upstream, f"password: [{inline}]"),
        "of another kind": good.replace(upstream, f"password: {{vault: {inline}}}"),
        "as an alias": good.replace(upstream, f"password: *{inline}"),
        "as a tag": good.replace(upstream, f"password: !{inline} x"),
        "not YAML": good.replace(upstream, f"password: '{inline}\n  x: [}}"),
        "under a key that is none": good.replace(upstream, f"pasword: {inline}"),
        "in a dsn": good.replace(f"{ROLES.upstream}@", f"{ROLES.upstream}:{dsn}@"),
        "as an option of a dsn": good.replace("?sslmode=disable", f"?sslmode=disable&password={dsn}"),
        "in something like a dsn": good.replace("postgresql://", f"password={dsn} x y://"),
        "in the store's address": good.replace(file, f"postgresql://il:{store}@127.0.0.1:{port}/postgres"),
        "in something like an address": good.replace(file, f"postgresql://il:{store}@127.0.0.1:x/y"),
        "as the master key": good.replace("env: MASTER", "env: WRONG"),
    }


BIG = "/* {comment} */ DELETE FROM customers WHERE name = '{row}' OR id < 60"
STATEMENTS: list[tuple[str, tuple[str, ...]]] = [
    ("UPDATE customers SET email = '{literal}' WHERE id = 1", ()),
    ("UPDATE customers SET email = %s, name = %s WHERE id = 2", ("{parameter}", "{new}")),
    (BIG, ()),
    ("INSERT INTO customers VALUES (1, '{literal}')", ()),
    ("SELECT '{literal}' FROM", ()),
    ("SELECT no_such_function('{literal}')", ()),
    ("SELECT * FROM customers WHERE name = '{row}'", ()),
    ("SELECT '{literal}'::int", ()),
    ("DO $$ BEGIN RAISE EXCEPTION '%', (SELECT max(name) FROM customers); END $$", ()),
    ("DO $$ BEGIN RAISE WARNING '{literal}'; UPDATE ten SET b = '{literal}' WHERE a = 1; END $$", ()),
    ("DO $$ BEGIN EXECUTE 'SELECT ''{literal}'''; END $$", ()),
    ("SELECT pg_notify('channel', '{literal}')", ()),
    ("NOTIFY channel, '{literal}'", ()),
    ("SELECT set_config('app.name', '{literal}', false)", ()),
    ("SET app.name = '{literal}'", ()),
    ("SET application_name = '{literal}'", ()),
    ("SELECT pg_read_file('{literal}')", ()),
    ("SELECT lo_import('{literal}')", ()),
    ("SELECT dblink('host=x password={literal}')", ()),
    ("SELECT lo_from_bytea(0, '{literal}')", ()),
    ("SELECT query_to_xml('SELECT ''{literal}''', true, false, '')", ()),
    ("SELECT pg_advisory_lock(hashtext('{literal}'))", ()),
    ("SELECT pg_logical_emit_message(true, 'a', '{literal}')", ()),
    ("CREATE ROLE mallory PASSWORD '{literal}'", ()),
    ("ALTER ROLE il_observer PASSWORD '{literal}'", ()),
    ("ALTER SYSTEM SET cluster_name = '{literal}'", ()),
    ("CREATE SUBSCRIPTION s CONNECTION 'password={literal}' PUBLICATION p", ()),
    ("CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (password '{literal}')", ()),
    ("COMMENT ON TABLE ten IS '{literal}'", ()),
    ("CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''{literal}''::text'", ()),
    ("CREATE TABLE fresh (a text DEFAULT '{literal}' CHECK (a <> '{literal}'))", ()),
    ("CREATE VIEW seen AS SELECT '{literal}' AS a", ()),
    ("PREPARE p AS SELECT '{literal}'", ()),
    ("DECLARE c CURSOR FOR SELECT '{literal}'", ()),
    ("EXPLAIN SELECT '{literal}'", ()),
    ("COPY ten FROM PROGRAM 'echo {literal}'", ()),
    ("COPY (SELECT '{literal}') TO '/tmp/{literal}'", ()),
    ("DROP TABLE payments; SELECT '{literal}'", ()),
    ("TRUNCATE tempting; SELECT '{literal}'", ()),
]
"""What the agent tries: some of it passes, some is held, some is refused, and some fails in the server."""


class Server:
    """`interlock serve` at its most talkative, asked through the admin socket."""

    def __init__(self, life: Life) -> None:
        self._life, self._log = life, life.folder / "server.log"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "interlock", "serve", "-c", "interlock.yaml", "--log-level", "debug"],
            cwd=life.folder, env=life.environment, stdin=subprocess.DEVNULL,
            stdout=self._log.open("wb"), stderr=subprocess.STDOUT,
        )  # fmt: skip
        ready = until(self._ready)
        socket, self.api = ready["api"]
        self.port = int(ready["targets"]["shop"].rpartition(":")[2])
        self.admin = httpx.Client(
            base_url="http://interlock", transport=httpx.HTTPTransport(uds=socket), timeout=60
        )

    def _ready(self) -> Any:
        assert self.process.poll() is None, self._log.read_text()
        lines = [line for line in self._log.read_text().splitlines() if '"event": "ready"' in line]
        return json.loads(lines[0]) if lines else None

    def post(self, path: str, body: object) -> Any:
        answer = self.admin.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def held(self) -> list[str]:
        return [change["id"] for change in self._changes(state="held")]

    def applied(self) -> str:
        """The newest applied change. (An agent has its answer before the outcome is recorded.)"""
        until(lambda: not self._changes(state="executing"))
        return str(self._changes(state="applied")[0]["id"])

    def _changes(self, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.admin.get("/api/v1/changes", params=query).json()["changes"]
        return found

    def speak(
        self, change: str, person: str, verdict: str = "approve", *, revert: bool = False
    ) -> httpx.Response:
        """A person's signed word about a change, or wish to revert it."""
        query = {"person": person, "verdict": verdict}
        query |= {"revert": "true", "nonce": secrets.token_hex(16)} if revert else {}
        answer = self.admin.get(f"/api/v1/changes/{change}/statement", params=query)
        assert answer.is_success, answer.text
        shown = answer.json()["statement"]
        signed = signing.signed(msgspec.convert(shown, Statement), datetime.now(UTC))
        path = f"/api/v1/changes/{change}/{'revert' if revert else 'approvals'}"
        return self.admin.post(path, json={"statement": shown, "signature": signed.signature})

    def connect(self, token: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(address(self.port, "bot", token), autocommit=True)

    def stop(self) -> None:
        self.admin.close()
        self.process.terminate()
        assert self.process.wait(60) == 0


def furnish(life: Life, server: Server) -> None:
    """People and agents; ben's key has a passphrase."""
    (life.folder / "passphrase.secret").write_text(CREDENTIALS["passphrase"])
    (life.folder / "passphrase.secret").chmod(0o600)
    line = keyfile.create(life.folder / "ben.key", CREDENTIALS["passphrase"].encode())
    for name, key in (("olga", ""), ("ann", ""), ("ben", line)):
        public = key or signing.public_key_of(name)
        server.post("/api/v1/people", {"name": name, "groups": ["sre"], "public_key": public})
    life.tokens["bot"] = server.post("/api/v1/agents", {"name": "bot", "owner": "olga"})["token"]
    actions = ["read", "create", "update", "delete", "admin"]
    server.post("/api/v1/grants", {"agent": "bot", "target": "shop", "actions": actions, "seconds": 9999})


def tried(life: Life, agent: psycopg.Connection[Any], sql: str, values: tuple[str, ...] = ()) -> str:
    """The SQLSTATE. The gateway's own errors are kept; what the server answers about its own data, too, but apart."""
    try:
        agent.execute(filled(sql).encode(), [filled(v) for v in values] or None)
    except psycopg.Error as error:
        whose = "the gateway's errors" if (error.sqlstate or "").startswith("IL") else "the server's errors"
        life.tell(whose, f"{error}\n{error.diag.message_detail}\n{error.diag.message_hint}\n")
        return error.sqlstate or ""
    return ""


def work(life: Life, server: Server) -> None:
    """Everything an agent may try, and what people make of it."""
    with server.connect(life.tokens["bot"]) as agent:
        waiting = ""
        for sql, values in STATEMENTS:
            tried(life, agent, sql, values)
            new = [change for change in server.held() if change != waiting]
            if sql == BIG:
                (waiting,) = new
                continue
            for change in new:
                assert server.speak(change, "ann", "deny").is_success
        with agent.cursor() as cursor, cursor.copy("COPY ten FROM STDIN") as copy:
            copy.write_row((500, TEXTS["copied"]))
        # Approved over the API, and with the command line and a passphrase; done; reverted, though somebody's row is in the way.
        assert server.speak(waiting, "ann").is_success
        signing_words = ("--as", "ben", "--key", "ben.key", "--passphrase-file", "passphrase.secret", "--yes")
        code, said = life.interlock("approve", waiting, *signing_words)
        assert code == 0, said
        assert tried(life, agent, BIG) == ""
        waiting = server.applied()
        life.database.psql(f"INSERT INTO customers VALUES (5, '{TEXTS['new']}')")
        life.tell("an answer to a revert", server.speak(waiting, "ann", revert=True).content)
        assert tried(life, agent, "UPDATE tempting SET a = 1000 WHERE a = 1") == ""
        assert server.speak(server.applied(), "ann", revert=True).json()["done"]


def go_wrong(life: Life, server: Server) -> None:
    """Logins that fail, on both sides."""
    for token in ("wrong", CREDENTIALS["wrong"]):
        try:
            server.connect(token).close()
        except psycopg.OperationalError as error:
            life.tell("a refused login", str(error))
    life.database.psql(f"ALTER ROLE {ROLES.upstream} PASSWORD '{CREDENTIALS['rotated upstream']}'")
    try:
        server.connect(life.tokens["bot"]).close()
    except psycopg.OperationalError as error:
        life.tell("a login behind which the upstream's fails", str(error))
    life.database.psql(f"ALTER ROLE {ROLES.upstream} PASSWORD '{CREDENTIALS['upstream']}'")
    life.tokens["bot, rotated"] = server.post("/api/v1/agents/bot/rotate", {})["token"]
    server.connect(life.tokens["bot, rotated"]).close()
