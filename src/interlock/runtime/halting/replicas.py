"""Which replicas there are, and what each reported of the last drill: a small record among the store's meta, beside the heartbeats.

Writing transactions follow each other, on every store: reading and writing it within one loses nothing.
"""

from collections.abc import Mapping

import msgspec

from interlock.model.base import Value
from interlock.sdk.ports import ReadTx, Tx

KEY = "replicas"
LIVING_S = 15
"""Seconds since its last sign of life within which a replica is expected to answer (it gives one each five)."""
_KEPT_S = 86_400


class Replica(Value, frozen=True):
    """A replica: when it showed itself last (seconds since 1970), the epoch of the last drill that it reported, after how many
    milliseconds all was ended there, and whether admission refused."""

    seen: int
    drill: int = -1
    ms: int = 0
    refused: bool = False


def known(tx: ReadTx) -> Mapping[str, Replica]:
    """All that were seen within a day, by name."""
    return msgspec.json.decode(tx.meta(KEY) or "{}", type=dict[str, Replica])


def living(tx: ReadTx) -> tuple[str, ...]:
    """Those that showed themselves lately."""
    since = _now(tx) - LIVING_S
    return tuple(sorted(name for name, each in known(tx).items() if each.seen >= since))


def beat(tx: Tx, gateway: str) -> None:
    """A sign of life."""
    found = known(tx)
    before = found.get(gateway, Replica(0))
    _put(tx, {**found, gateway: msgspec.structs.replace(before, seen=_now(tx))})


def report(tx: Tx, gateway: str, drill: int, ms: int, refused: bool) -> None:
    """What a drill ended here, and how soon."""
    _put(tx, {**known(tx), gateway: Replica(_now(tx), drill, ms, refused)})


def leave(tx: Tx, gateway: str) -> None:
    """It ends in order: nobody waits for its answer."""
    _put(tx, {name: each for name, each in known(tx).items() if name != gateway})


def _put(tx: Tx, replicas: Mapping[str, Replica]) -> None:
    since = _now(tx) - _KEPT_S
    kept = {name: each for name, each in replicas.items() if each.seen >= since}
    tx.put_meta(KEY, msgspec.json.encode(kept).decode())


def _now(tx: ReadTx) -> int:
    return int(tx.now().timestamp())
