"""Sessions of careful teams, each drawn anew: what they do with an agent on a Tuesday. Nothing here knows a threshold."""

from collections.abc import Callable, Mapping
from random import Random

from bench.breakers.session import K, Manner, Session, Step, again, facts, failing, made, manner, rows, think
from interlock.model.effect import Effect
from interlock.sdk.connector import Cause
from interlock.testing.scripted import Script, touched

SCHEMAS = (
    "public",
    "billing",
    "auth",
    "catalog",
    "shipping",
    "analytics",
    "crm",
    "audit_log",
    "jobs",
    "search",
)
STACKS = ("web", "api", "worker", "ingress", "cache", "mailer", "search", "billing")
USED_TO = (
    "deleted table", "deleted column", "deleted index", "deleted constraint", "weakened table", "narrowed column",
    "deleted rows of table", "replaced service", "deleted instance", "deleted view", "replaced view",
    *(f"group shop/{name}" for name in (*SCHEMAS, *STACKS)),
)  # fmt: skip


def familiar(rng: Random) -> tuple[str, ...]:
    """Two in five are new; the others are used to some of what there is."""
    if rng.random() < 0.4:
        return ()
    return tuple(one for one in USED_TO if rng.random() < 0.6)


def name(rng: Random) -> str:
    return f"{rng.choice(('order', 'item', 'user', 'event', 'job', 'quote', 'note'))}{rng.randint(1, 900)}"


def trouble(rng: Random, script: Script, who: Manner, chance: float = 0.05) -> list[Step]:
    """What goes wrong before it goes well: a typing error that is corrected, a lock that is not had, a thing that is there."""
    found: list[Step] = []
    if rng.random() < chance:
        cause = rng.choices((Cause.WORK, Cause.TRANSIENT, Cause.EXPECTED), (5, 4, 2))[0]
        times = rng.choices((0, 1, 2), (70, 22, 8))[0] if cause is not Cause.TRANSIENT else rng.randint(0, 5)
        wrong = again(failing(script, cause), f"{script.text} wrong {rng.random()}")
        found.append(Step(wrong, think(rng, who), retries=times))
    return found


def migration(rng: Random) -> Session:
    """One to ten steps in one or two schemas: in one transaction, or each in its own."""
    who = manner(rng)
    schemas = rng.sample(SCHEMAS, rng.choices((1, 2, 3), (80, 17, 3))[0])
    parts = [_step_of_migration(rng, rng.choice(schemas)) for _ in range(rng.randint(1, 10))]
    together = rng.random() < 0.4
    scripts = [Script(tuple(e for p in parts for e in p), "all")] if together else [
        Script(p, f"step {n}") for n, p in enumerate(parts)
    ]  # fmt: skip
    steps = [s for one in scripts for s in (*trouble(rng, one, who), Step(one, think(rng, who)))]
    return Session(steps, who, familiar(rng))


def _step_of_migration(rng: Random, schema: str) -> tuple[Effect, ...]:
    table = f"{schema}.{name(rng)}"
    match rng.choices(range(11), (26, 20, 14, 8, 6, 6, 4, 3, 4, 5, 4))[0]:
        case 0:
            sizes = (
                made("table", table, schema),
                made("index", f"{table}_pkey", schema),
                made("sequence", f"{table}_id", schema),
            )
            return sizes[: rng.randint(1, 3)]
        case 1:
            return (
                touched("table", table, K.UPDATED, group=schema),
                made("column", f"{table}.{name(rng)}", schema),
            )
        case 2:
            return (made("index", f"{table}_idx", schema),)
        case 3:
            return (rows(rng, table, schema, K.UPDATED, 800),)
        case 4:
            return (touched("column", f"{table}.{name(rng)}", group=schema),)
        case 5:
            return ()  # DROP … IF EXISTS of what is not there, a temporary table
        case 6:
            return (touched("index", f"{table}_old", group=schema),)
        case 7:
            return (touched("table", table, group=schema), touched("index", f"{table}_pkey", group=schema))
        case 8:
            return (touched("table", table, K.WEAKENED, group=schema),)
        case 9:
            return (touched("view", f"{table}_v", K.REPLACED, group=schema),)
        case _:
            return (touched("column", f"{table}.{name(rng)}", K.NARROWED, group=schema),)


def backfill(rng: Random) -> Session:
    """Rows in batches, with locks that are not had at once; beyond the hour's budget people are asked."""
    who = rng.choices((Manner.STOPS, Manner.WAITS), (70, 30))[0]
    schema = rng.choice(SCHEMAS)
    table, batch = f"{schema}.{name(rng)}", rng.choice((10, 50, 100, 200))
    steps: list[Step] = []
    for n in range(rng.randint(5, 25)):
        script = Script(
            (rows(rng, table, schema, K.UPDATED, batch, least=batch, before=200_000),), f"batch {n}"
        )
        steps += [*trouble(rng, script, who, 0.03), Step(script, rng.lognormvariate(0, 1))]
    return Session(steps, who, familiar(rng))


def seed(rng: Random) -> Session:
    """Rows for some tables of one to four schemas; some of them are there already."""
    who = manner(rng)
    schemas = rng.sample(SCHEMAS, rng.choices((1, 2, 3, 4), (55, 28, 12, 5))[0])
    steps: list[Step] = []
    for n in range(rng.randint(3, 20)):
        schema = rng.choice(schemas)
        effect = rows(rng, f"{schema}.{name(rng)}", schema, K.CREATED, 5000)
        script = Script((effect,), f"seed {n}")
        steps += [*trouble(rng, script, who, 0.08), Step(script, think(rng, who))]
    return Session(steps, who, familiar(rng))


def cleanup(rng: Random) -> Session:
    """What is old: a few rows here and there, a large deletion, or the oldest partitions of a table."""
    who, schema = manner(rng), rng.choice(SCHEMAS)
    table = f"{schema}.{name(rng)}"
    steps: list[Step] = []
    match rng.choices(("small", "large", "partitions"), (45, 30, 25))[0]:
        case "small":
            for n in range(rng.randint(2, 15)):
                small = rows(rng, f"{schema}.{name(rng)}", schema, K.DELETED, 9, before=5000)
                steps.append(Step(Script((small,), f"small {n}"), think(rng, who)))
        case "large":
            for n in range(rng.choices((1, 2, 3), (75, 18, 7))[0]):
                large = rows(rng, f"{table}_{n}", schema, K.DELETED, 200_000, least=300)
                steps.append(Step(Script((large,), f"large {n}"), think(rng, who)))
        case _:
            size = rng.randint(12, 60)
            for n in range(rng.choices((1, 2, 3, 4, 6), (50, 22, 15, 8, 5))[0]):
                gone = touched("table", f"{table}_p{n}", group=schema)
                steps.append(
                    Step(Script((gone,), f"partition {n}", facts({schema: size * 3})), think(rng, who))
                )
    return Session(steps, who, familiar(rng))


def deploy(rng: Random) -> Session:
    """New versions of what runs in one to five stacks: described, updated, and what is superseded taken away with approval."""
    who = manner(rng)
    stacks = rng.sample(STACKS, rng.choices((1, 2, 3, 4, 5), (45, 25, 15, 10, 5))[0])
    steps: list[Step] = []
    for stack in stacks:
        size = rng.randint(4, 30)
        parts = [
            Script((made("task_definition", f"{stack}-{rng.randint(1, 99)}", stack),), f"{stack} definition"),
            Script((touched("service", stack, K.UPDATED, group=stack),), f"{stack} service"),
        ]
        if rng.random() < 0.2:
            parts.append(Script((touched("service", stack, K.REPLACED, group=stack),), f"{stack} replaced"))
        if rng.random() < 0.2:
            old = touched("instance", f"{stack}-old", group=stack)
            parts.append(Script((old,), f"{stack} old one", facts({stack: size})))
        for script in parts:
            steps += [
                *trouble(rng, script, who, 0.06),
                Step(script, think(rng, who) + rng.expovariate(1 / 20)),
            ]
    return Session(steps, who, familiar(rng))


def incident(rng: Random) -> Session:
    """At night: look, mend a few rows, make an index, try something that fails, take away what broke it."""
    who = rng.choices((Manner.WAITS, Manner.GOES_ON, Manner.VARIES), (75, 19, 6))[0]
    schemas = rng.sample(SCHEMAS, rng.choices((1, 2, 3), (65, 27, 8))[0])
    steps: list[Step] = []
    for n in range(rng.randint(2, 14)):
        schema = rng.choice(schemas)
        table = f"{schema}.{name(rng)}"
        effect = rng.choices(
            (
                rows(rng, table, schema, K.UPDATED, 40),
                rows(rng, table, schema, K.DELETED, 5, before=2000),
                made("index", f"{table}_fix", schema),
                touched("index", f"{table}_bad", group=schema),
                touched("view", f"{table}_v", K.REPLACED, group=schema),
            ),
            (55, 18, 15, 7, 5),
        )[0]
        script = Script((effect,), f"fix {n}")
        steps += [*trouble(rng, script, who, 0.18), Step(script, think(rng, who))]
    return Session(steps, who, familiar(rng))


def tests(rng: Random) -> Session:
    """A test suite where tests belong, in an environment that is not strict: make, fill, empty, drop, and again."""
    steps: list[Step] = []
    for n in range(rng.randint(5, 25)):
        table = f"test_{n % 3}.{name(rng)}"
        for effect in (
            made("table", table, f"test_{n % 3}"),
            rows(rng, table, f"test_{n % 3}", K.CREATED, 50),
            touched("table", table, group=f"test_{n % 3}"),
        ):
            script = Script((effect,), f"test {n}", facts({f"test_{n % 3}": rng.randint(1, 5)}, "table"))
            ends = failing(script, Cause.WORK) if rng.random() < 0.1 else script
            steps.append(Step(ends, rng.expovariate(20)))
    return Session(steps, Manner.STOPS, (), relaxed=True)


KINDS: tuple[Callable[[Random], Session], ...] = (migration, backfill, seed, cleanup, deploy, incident, tests)
NAMES: Mapping[Callable[[Random], Session], str] = {
    migration: "migration", backfill: "backfill", seed: "seed", cleanup: "cleanup job", deploy: "deploy",
    incident: "incident fix", tests: "test run",
}  # fmt: skip


def wide_deploy(rng: Random) -> Session:
    """A release of everything: six to eight stacks within ten minutes. It is more than the signals let pass by default."""
    who = Manner.STOPS
    steps = [
        Step(
            Script((touched("service", stack, K.UPDATED, group=stack),), f"{stack} service"), think(rng, who)
        )
        for stack in rng.sample(STACKS, rng.randint(6, 8))
    ]
    return Session(steps, who, familiar(rng))


def day(rng: Random) -> Session:
    """Three to eight of these tasks one after the other, within the same connection: what adds up over a day."""
    who, steps = rng.choice((Manner.STOPS, Manner.WAITS)), list[Step]()
    for _ in range(rng.randint(3, 8)):
        part = rng.choice((migration, backfill, seed, cleanup, deploy, incident))(rng)
        first, *others = part.steps
        steps += [Step(first.script, rng.uniform(300, 7200), first.retries), *others]
    return Session(steps, who, familiar(rng))
