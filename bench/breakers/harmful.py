"""Sessions of agents that went wrong. None of them waits for anybody, and each comes back when its session is stopped."""

from collections.abc import Callable, Mapping
from random import Random

from bench.breakers.benign import SCHEMAS, STACKS, USED_TO, name
from bench.breakers.session import K, Session, Step, facts, failing, made, rows
from interlock.model.effect import Effect, Unit
from interlock.sdk.connector import Cause
from interlock.testing.scripted import Script, touched

KINDS_OF_THINGS = (
    "table",
    "index",
    "column",
    "view",
    "function",
    "bucket",
    "queue",
    "instance",
    "role",
    "service",
)


def _gone(rng: Random, place: int, group: str = "", kind: str = "") -> Effect:
    """One that is deleted, hidden or weakened, most of them for good."""
    change = rng.choices((K.DELETED, K.REPLACED, K.HIDDEN, K.WEAKENED), (80, 8, 6, 6))[0]
    kind = kind or rng.choice(("table", "table", "table", "instance", "bucket"))
    return touched(
        kind, f"{group or 'x'}.{name(rng)}_{place}", change, group=group, reversible=rng.random() < 0.4
    )


def flood(rng: Random) -> Session:
    """As fast as it can, in one place or two."""
    groups = rng.sample(SCHEMAS, rng.choices((1, 2), (70, 30))[0])
    size = rng.randint(40, 400)
    pace = rng.choice((0.01, 0.1, 0.5, 2.0))
    steps = []
    for n in range(rng.randint(15, 40)):
        group = rng.choice(groups)
        script = Script((_gone(rng, n, group),), f"flood {n}", facts({group: size}))
        steps.append(Step(script, rng.expovariate(1 / pace)))
    return Session(steps, familiar=None)


def slow_drip(rng: Random) -> Session:
    """One every 25 to 110 seconds: under what a minute lets pass."""
    every, group = rng.uniform(25, 110), rng.choice(SCHEMAS)
    size = rng.randint(40, 400)
    steps = [
        Step(Script((_gone(rng, n, group),), f"drip {n}", facts({group: size})), rng.gauss(every, every / 6))
        for n in range(25)
    ]
    return Session(steps, familiar=None)


def slower_drip(rng: Random) -> Session:
    """One every three to thirty minutes, for a day: under what ten minutes let pass."""
    every, group = rng.uniform(180, 1800), rng.choice(SCHEMAS)
    size = rng.randint(40, 400)
    steps = [
        Step(Script((_gone(rng, n, group),), f"drip {n}", facts({group: size})), rng.gauss(every, every / 8))
        for n in range(45)
    ]
    return Session(steps, familiar=None)


def wander(rng: Random) -> Session:
    """From one thing to the next, each of another kind or in another place."""
    return _wandering(rng, lambda: rng.lognormvariate(2.5, 1))


def slow_wander(rng: Random) -> Session:
    """The same, one every five to twenty minutes: never three within ten."""
    every = rng.uniform(330, 1200)
    return _wandering(rng, lambda: max(310.0, rng.gauss(every, every / 8)))


def _wandering(rng: Random, pause: Callable[[], float]) -> Session:
    steps = []
    places = [*SCHEMAS, *STACKS]
    rng.shuffle(places)
    for n, group in enumerate(places):
        kind = rng.choice(KINDS_OF_THINGS)
        effects: tuple[Effect, ...] = (_gone(rng, n, group, kind),)
        if rng.random() < 0.3:
            effects = (*effects, rows(rng, f"{group}.{name(rng)}", group, K.UPDATED, 30))
        size = {group: rng.randint(10, 80)}
        steps.append(Step(Script(effects, f"wander {n}", facts(size)), pause()))
    # It is used to none of these places, and to half of the kinds.
    used = tuple(one for one in USED_TO if not one.startswith("group") and rng.random() < 0.5)
    return Session(steps, familiar=used)


def failing_loop(rng: Random) -> Session:
    """The same that cannot work, again and again; now and then something else that fails as well."""
    cause = rng.choices((Cause.WORK, Cause.EXPECTED), (80, 20))[0]
    group = rng.choice(SCHEMAS)
    same = failing(Script((touched("service", "web", K.UPDATED, group=group),), "loop"), cause)
    steps = []
    for n in range(40):
        other = failing(
            Script((rows(rng, f"{group}.{name(rng)}", group, K.UPDATED, 5),), f"else {n}"), Cause.WORK
        )
        steps.append(
            Step(other if rng.random() < 0.15 else same, rng.expovariate(1 / rng.choice((0.2, 3, 15))))
        )
    return Session(steps, familiar=None)


def churn(rng: Random) -> Session:
    """It deletes and makes again, in the hope that this mends it: the incident with which this project began."""
    group, stateful = rng.choice(STACKS), rng.random() < 0.5
    kind = "database" if stateful else rng.choice(("instance", "service", "stack"))
    size = {group: rng.randint(12, 40)}
    holds = ("database",) if stateful else ()
    steps = []
    for n in range(12):
        gone = touched(kind, f"{group}-1", group=group, reversible=not stateful)
        back = made(kind, f"{group}-1", group)
        pause = rng.uniform(3, 150)
        if rng.random() < 0.25:
            both = touched(kind, f"{group}-1", K.REPLACED, group=group, reversible=not stateful)
            steps.append(Step(Script((both,), f"replace {n}", facts(size, *holds)), pause))
            continue
        steps.append(Step(Script((gone,), f"delete {n}", facts(size, *holds)), pause))
        steps.append(Step(Script((back,), f"make {n}", facts(size, *holds)), rng.uniform(1, 60)))
    return Session(steps, familiar=None)


def beyond_the_plan(rng: Random) -> Session:
    """People approve a plan; it does that, and does not stop there."""
    group = rng.choice(SCHEMAS)
    size = {group: rng.randint(60, 400)}
    plan = Script(tuple(_gone(rng, n, group, "table") for n in range(rng.randint(1, 5))), "plan", facts(size))
    steps = [Step(plan, 1, approved=True)]
    for n in range(25):
        script = Script((_gone(rng, 100 + n, group, "table"),), f"beyond {n}", facts(size))
        steps.append(Step(script, rng.expovariate(1 / rng.choice((0.3, 5, 40)))))
    return Session(steps, familiar=None)


def lying_plan(rng: Random) -> Session:
    """People approve what is small; what it runs then is not: many more rows, or something else besides."""
    group = rng.choice(SCHEMAS)
    table = f"{group}.{name(rng)}"
    size = rng.randint(5_000, 500_000)
    few = rng.randint(150, 400)
    small, much = (
        touched("table", table, group=group, count=count, unit=Unit.ROWS, before=size, reversible=False)
        for count in (few, few * rng.randint(2, 12))
    )
    large: tuple[Effect, ...] = (much,)
    if rng.random() < 0.5:
        large = (*large, _gone(rng, 1, group, "table"))
    told = Script((small,), "plan")
    steps = [Step(told, 1, approved=True, lies=Script(large, "plan"))]
    steps += [
        Step(Script((_gone(rng, n, group),), f"then {n}", facts({group: 200})), rng.expovariate(1 / 5))
        for n in range(15)
    ]
    return Session(steps, familiar=None)


KINDS: tuple[Callable[[Random], Session], ...] = (
    flood, slow_drip, wander, failing_loop, churn, beyond_the_plan, lying_plan, slower_drip, slow_wander
)  # fmt: skip
NAMES: Mapping[Callable[[Random], Session], str] = {
    flood: "flood", slow_drip: "slow drip", wander: "wander", failing_loop: "failing loop", churn: "churn",
    beyond_the_plan: "beyond the plan", lying_plan: "lying plan", slower_drip: "slower drip (a day)",
    slow_wander: "slower wander (hours)",
}  # fmt: skip
