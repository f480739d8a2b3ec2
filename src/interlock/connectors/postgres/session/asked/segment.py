"""Turns the messages of a segment into items, following names of statements and portals as the server will."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from interlock.connectors.postgres import answer
from interlock.connectors.postgres.classify import SqlSyntax, StatementInfo, Way
from interlock.connectors.postgres.codec import build, decode_frontend
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.queries import ident
from interlock.connectors.postgres.session.asked.items import (
    Item,
    Mistake,
    Portal,
    Prepared,
    ends_transaction,
    own_name,
)
from interlock.connectors.postgres.session.channel import Channel
from interlock.connectors.postgres.session.ending.record import Asked
from interlock.model.errors import Rejected


def items(frames: Sequence[tuple[int, bytes]], channel: Channel) -> list[Item]:
    """The items of a segment. Raises Mistake when a message cannot be meant, InvalidText, ProtocolViolation."""
    reading = _Reading(channel)
    return [reading.item(kind, raw) for kind, raw in frames]


def unreadable(error: Rejected) -> bytes:
    """What the server would say, from our own parser: what we cannot parse is never forwarded."""
    if not isinstance(error, SqlSyntax):
        return build.error_response("ERROR", "54000", str(error))
    position = {"position": str(error.position)} if error.position else {}
    return build.error_response("ERROR", "42601", str(error), **position)


def no_statement(name: str) -> bytes:
    """The error for a prepared statement that does not exist."""
    what = f'prepared statement "{name}"' if name else "unnamed prepared statement"
    return build.error_response("ERROR", "26000", f"{what} does not exist")


_EARLY = (
    "the server reads constants of its types when it parses the statement, and code that runs then may have an effect that a"
    " rollback does not undo; send it alone as a simple message, without parameters"
)


@dataclass(slots=True)
class _Reading:
    channel: Channel
    parsed: dict[str, Prepared] = field(default_factory=dict)
    bound: dict[str, Portal] = field(default_factory=dict)
    executed: list[Portal] = field(default_factory=list)

    def item(self, kind: int, raw: bytes) -> Item:
        message = decode_frontend(kind, raw)
        match message:
            case f.Parse():
                return self._parse(message, raw)
            case f.Bind():
                return self._bind(message, raw)
            case f.Execute():
                return self._execute(message, raw)
            case f.Describe():
                return Item("t" if message.kind == "S" else "p", raw)
            case f.Close():
                return self._close(message, raw)
            case _:
                raise Mistake(
                    build.error_response("ERROR", "08P01", "this message has no place in a segment")
                )

    def _parse(self, message: f.Parse, raw: bytes) -> Item:
        if own_name(message.name):
            raise Mistake(
                build.error_response("ERROR", "42P05", "this statement name is reserved for Interlock")
            )
        try:
            infos = self.channel.classify(message.sql)
        except Rejected as error:
            raise Mistake(unreadable(error)) from None
        if len(infos) > 1:
            text = "cannot insert multiple commands into a prepared statement"
            raise Mistake(build.error_response("ERROR", "42601", text))
        info = self._judged(infos[0], message.types) if infos else None
        if info is not None and info.early:
            raise Mistake(answer.forbidden(_EARLY))
        prepared = Prepared(message.name, info, message.sql, message.types, self.channel.basis())
        # Should the server refuse it, it will not look at the rest of the segment either.
        self.parsed[message.name] = prepared
        ends = ends_transaction(prepared.info)
        return Item("P", raw, done=self.channel.names.parsed(prepared), ends=ends, about=info)

    def _statement(self, name: str) -> Prepared:
        found = self.parsed.get(name) or self.channel.names.statements.get(name)
        if found is None:
            raise Mistake(no_statement(name))
        basis = self.channel.basis()
        if found.info is not None and found.basis != basis:
            # Another function, view or search_path may have made another statement of it since.
            found.info = self._judged(self.channel.classify(found.sql)[0], found.types)
            found.basis = basis
        return found

    def _judged(self, info: StatementInfo, types: tuple[int, ...]) -> StatementInfo:
        """A read whose parameters run somebody's code when they are read in is none."""
        if info.way is Way.PASS and types and self.channel.server.impure(types):
            return dataclasses.replace(info, way=Way.GATED)
        return info

    def _bind(self, message: f.Bind, raw: bytes) -> Item:
        if own_name(message.portal):
            raise Mistake(
                build.error_response("ERROR", "42P03", "this portal name is reserved for Interlock")
            )
        portal = Portal(self._statement(message.statement), message)
        self.bound[message.portal] = portal

        def done(ok: bool) -> None:
            if ok:
                self.channel.names.portals[message.portal] = portal
            elif not message.portal:
                self.channel.names.portals.pop("", None)

        info = portal.prepared.info
        reads = info is None or info.way is Way.PASS
        return Item("B", raw, done=done, reads=reads, ends=ends_transaction(info))

    def _execute(self, message: f.Execute, raw: bytes) -> Item:
        portal = self.bound.get(message.portal) or self.channel.names.portals.get(message.portal)
        if portal is None:
            return self._fetch(message, raw)
        info = portal.prepared.info
        if info is None or portal.started or any(portal is seen for seen in self.executed):
            return Item("E", raw)
        self.executed.append(portal)
        return Item("E", raw, info, _asked(info, portal), portal.bind, portal.prepared.types, portal=portal)

    def _fetch(self, message: f.Execute, raw: bytes) -> Item:
        """Perhaps a cursor of SQL (DECLARE): the server knows. Inside a transaction it is measured as all is, and recorded as the
        FETCH that it amounts to."""
        if not self.channel.in_transaction:
            text = f'portal "{message.portal}" does not exist'
            raise Mistake(build.error_response("ERROR", "34000", text))
        sql = f"FETCH {max(message.max_rows, 0) or 'ALL'} FROM {ident(message.portal)}"
        return Item("E", raw, self.channel.classify(sql)[0], Asked(sql))

    def _close(self, message: f.Close, raw: bytes) -> Item:
        (self.parsed if message.kind == "S" else self.bound).pop(message.name, None)

        def done(ok: bool) -> None:
            if ok:
                self.channel.names.closed(message.kind, message.name)

        return Item("C", raw, done=done)


def _asked(info: StatementInfo, portal: Portal) -> Asked:
    bind = portal.bind
    return Asked(info.text, bool(bind.values), portal.prepared.types, bind.formats, bind.values)
