"""What one segment asks, as items: each is a message for the server, and those that execute something know what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from interlock.connectors.postgres.classify import StatementInfo, Way
from interlock.connectors.postgres.codec import encode
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.session.conversation.batch import OWN
from interlock.connectors.postgres.session.ending.record import Asked


class Mistake(Exception):
    """What the client asks is wrong in itself; the server is not asked. `error` is the ErrorResponse."""

    def __init__(self, error: bytes) -> None:
        super().__init__("client mistake")
        self.error = error


@dataclass(slots=True)
class Prepared:
    """A prepared statement of the client's. `info` is None for the empty statement."""

    name: str
    info: StatementInfo | None
    sql: str
    types: tuple[int, ...] = ()
    basis: object = None
    """What the classification rests on (`Channel.basis`)."""


@dataclass(slots=True)
class Portal:
    """A portal of the client's; `started` once it was executed for the first time."""

    prepared: Prepared
    bind: f.Bind
    started: bool = False


@dataclass(slots=True)
class Item:
    """One message to the server. `kind` is as in `exchange`; `info`, `asked` and `bind` are set when it executes a statement for
    the first time, `about` is what a Parse is of. `reads` is False for a Bind of what is not a pure read, `portal` is what an
    Execute runs; `ends` tells that a Parse or Bind is of a statement that ends a transaction, and so is in place in a failed one
    too."""

    kind: str
    raw: bytes
    info: StatementInfo | None = None
    asked: Asked | None = None
    bind: f.Bind | None = None
    types: tuple[int, ...] = ()
    done: Callable[[bool], None] | None = None
    reads: bool = True
    portal: Portal | None = None
    ends: bool = False
    about: StatementInfo | None = None

    @property
    def plain(self) -> bool:
        """Whether it may run inside a transaction and be decided afterwards. What may outlive a rollback, or evades measuring,
        must be decided before."""
        info = self.info
        return info is not None and info.way in (Way.PASS, Way.GATED) and not info.escapes

    @property
    def way(self) -> Way | None:
        return None if self.info is None else self.info.way


_ENDS = frozenset(("commit", "rollback", "rollback_to", "prepare"))


def ends_transaction(info: StatementInfo | None) -> bool:
    """As the server's `IsTransactionExitStmt`."""
    return info is not None and info.control is not None and info.control.kind in _ENDS


def simple(info: StatementInfo) -> Item:
    """One statement of a simple message."""
    return Item("Q", encode(f.Query(info.text)), info, Asked(info.text))


@dataclass(slots=True)
class Names:
    """The client's prepared statements and portals, as the server knows them."""

    statements: dict[str, Prepared] = field(default_factory=dict)
    portals: dict[str, Portal] = field(default_factory=dict)

    def infos(self) -> Mapping[str, StatementInfo]:
        """For classifying EXECUTE of SQL."""
        return {name: p.info for name, p in self.statements.items() if p.info is not None}

    def parsed(self, prepared: Prepared) -> Callable[[bool], None]:
        """What to do when the server has answered a Parse. The unnamed statement is gone even when its Parse failed."""

        def done(ok: bool) -> None:
            if ok:
                self.statements[prepared.name] = prepared
            elif not prepared.name:
                self.statements.pop("", None)

        return done

    def closed(self, kind: str, name: str) -> None:
        if kind == "S":
            self.statements.pop(name, None)
        else:
            self.portals.pop(name, None)


def own_name(name: str) -> bool:
    """Whether a name is of the kind that the gateway keeps for itself."""
    return name.startswith(OWN)
