"""Tells the core of errors of the server's that no change came of, for its signals."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from interlock.connectors.postgres.classify import StatementInfo
from interlock.connectors.postgres.client.causes import cause_of
from interlock.model.operation import Action, Operation

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.channel import Channel
    from interlock.connectors.postgres.session.worker import Worker

_IN_FAILED = "25P02"
"""The transaction has failed already: told once is enough."""


def failed(worker: "Worker", infos: Iterable[StatementInfo], sqlstate: str) -> None:
    """These statements of the client's ended in an error of the server's. What the gateway runs again by itself is not the
    client's failure."""
    if not worker.unheard:
        told(worker.channel, infos, sqlstate)


def told(channel: "Channel", infos: Iterable[StatementInfo], sqlstate: str) -> None:
    """As `failed`, of what a session sends on without a worker."""
    operations = tuple(operation for info in infos for operation in _tried(info))
    if operations and sqlstate != _IN_FAILED:
        channel.gate.failed(channel.principal, operations, cause_of(sqlstate))


def _tried(info: StatementInfo) -> Iterator[Operation]:
    """What a statement asked for. Code that writes is no read when it fails, though nothing of it was measured; it is the same code
    that goes well at last."""
    for operation in info.operations:
        if info.runs_writes and operation.action is Action.READ:
            yield msgspec.structs.replace(operation, action=Action.UPDATE)
        else:
            yield operation
