"""What a before-image of an API call is.

There is no transaction to look into, so a plan is made before the call: the state as it is, and the steps that bring it back.
It is stored with the intent (P6). `prepare` steps (a snapshot, a copy aside) run after the intent and before the call: when
one of them fails, the call is not made. What only the answer tells (the id of what was made) is added to the outcome
(`complete`).
"""

from collections.abc import Mapping
from typing import Any

from interlock.model.base import Value


class Step(Value, frozen=True):
    """One call of the gateway's own. `parameters` are as botocore takes them (bytes and datetimes allowed: `undo.store`
    encodes them).

    A string value `${NAME}` (or one with `${NAME}` in it) stands for what an earlier step or the original call answered:
    `saves` puts members of this step's answer under names, by a JMESPath expression each (`{"snapshot": "SnapshotId"}`); names
    of the original call's answer are in `Plan.saves`. `absent_ok` tells that an answer that says "there is no such thing" is as
    good as success, `present_ok` the same of "it exists already". `wait` names a botocore waiter of the service with its
    parameters, which must be through before the next step. `until` is a JMESPath expression: the call is made again until its
    answer makes that true. A step is left out when the `before` of `unless` holds by then: some calls fail when there is
    nothing to change. Neighbours that are `independent` may run side by side.

    Names that begin with `secret_` live as long as one run of steps, and are never stored. Data that may have `${` in it goes
    through `literal`."""

    service: str
    operation: str
    parameters: Mapping[str, Any] = {}
    region: str = ""
    saves: Mapping[str, str] = {}
    absent_ok: bool = False
    present_ok: bool = False
    wait: str = ""
    wait_for: Mapping[str, Any] = {}
    until: str = ""
    unless: "Check | None" = None
    independent: bool = False


class Check(Value, frozen=True):
    """What a revert compares before it does anything: the answer to a reading call, cut down by a JMESPath expression, must be
    `expected` (JSON builtins; None: there is no such thing), which is what the call left (`after`), or is already what it was
    before (`before`): then nothing is left to do. `what` is a phrase for people (`the policy of bucket prod-data`). An
    `expected` of `ANY` is read after the call was made, by `complete`. `before` and `after` may be `fingerprint`s, and may
    name what was saved (`${NAME}`)."""

    what: str
    service: str
    operation: str
    parameters: Mapping[str, Any] = {}
    select: str = "@"
    before: Any = None
    after: Any = "${ANY}"
    region: str = ""


ANY = "${ANY}"
"""In `Check.after`: what it is after the call is read then."""


def literal(value: Any) -> Any:
    """Data as a step's parameter: nothing in it stands for a name."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, Mapping):
        return {name: literal(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [literal(item) for item in value]
    return value


class Plan(Value, frozen=True):
    """The before-image of one call, and its inverse.

    `kind` is `full` (comes back as it was), `copy` (its contents come back from a copy), `new_id` (comes back under another
    id, or with something lost that `caveats` names: people must read that before they approve), or `none`. `lost` are
    resources (by `Resource.name`, or a prefix ending in `*`) of which the plan brings nothing back, each with the reason;
    every effect on another resource of the call is reversible, unless `kind` is `none`. `reason` says why nothing is
    reversible. `gentler` is what could be done in the call's place (`StopInstances keeps the disks`). `replaces_call` are
    parameters that the gateway itself changes in the call it forwards (`{"SkipFinalSnapshot": False, …}`)."""

    kind: str
    prepare: tuple[Step, ...] = ()
    inverse: tuple[Step, ...] = ()
    checks: tuple[Check, ...] = ()
    saves: Mapping[str, str] = {}
    lost: Mapping[str, str] = {}
    caveats: tuple[str, ...] = ()
    reason: str = ""
    gentler: str = ""
    replaces_call: Mapping[str, Any] = {}
    discard: tuple[Step, ...] = ()
    """Steps that remove what `prepare` made, when it isn't needed any more (the call failed, the retention is over, it was
    reverted)."""


NOTHING = Plan("none", reason="no before-image of this operation is known")
"""The plan of what no row covers."""
