"""pgbench with all its built-in scripts in all three query modes; afterwards the balances must add up."""

from tests.real.conformance.steps import Steps, demand, numbers
from tests.real.conformance.suite import Outcome, Run, Suite

SCRIPTS = ("tpcb-like", "simple-update", "select-only")
MODES = ("simple", "extended", "prepared")
CLIENTS = 4
_SUMS = """SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
(SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history),
(SELECT count(*) FROM pgbench_history)"""


def run(what: Run) -> dict[str, Outcome]:
    steps = Steps(what)
    each = 10 if what.only else 500
    if not steps.step("initialize", lambda: steps.program("pgbench", "-i", "-q", "-s", "1")):
        return steps.outcomes
    for script in SCRIPTS:
        for mode in MODES:
            steps.step(f"{script}, {mode}", lambda s=script, m=mode: _bench(steps, s, m, each))  # type: ignore[misc]
    steps.step("initialize with foreign keys on the server", lambda: _server_side(steps))
    return steps.outcomes


def _bench(steps: Steps, script: str, mode: str, each: int) -> None:
    before = numbers(steps.run.database.psql(_SUMS))
    said = steps.program(
        "pgbench", "-n", "-b", script, "-M", mode, "-c", str(CLIENTS), "-j", "2", "-t", str(each)
    )
    wanted = CLIENTS * each
    demand(f"actually processed: {wanted}/{wanted}" in said, said)
    accounts, tellers, branches, deltas, count = numbers(steps.run.database.psql(_SUMS))
    moved = [now - then for now, then in zip((accounts, tellers, branches, deltas), before, strict=False)]
    written = 0 if script == "select-only" else wanted
    demand(count - before[4] == written, f"{count - before[4]} rows of history for {written} transactions")
    same = moved[:1] if script == "simple-update" else moved[:3]
    demand(all(sum_ == moved[3] for sum_ in same), f"the balances moved by {moved}")


def _server_side(steps: Steps) -> None:
    steps.program("pgbench", "-i", "-q", "-s", "1", "-I", "dtGpf")
    count = numbers(steps.run.database.psql("SELECT count(*) FROM pgbench_accounts"))
    demand(count == [100_000], f"{count} accounts")


SUITE = Suite("pgbench", "", run, fetched=False, subset=("short",))
