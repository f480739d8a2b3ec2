"""Turns the messages of a segment into items, following names of statements and portals as the server will."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from interlock.connectors.postgres.classify import SqlSyntax, StatementInfo, Way
from interlock.connectors.postgres.codec import build, decode_frontend
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.session.channel import Channel
from interlock.connectors.postgres.session.items import Item, Mistake, Portal, Prepared, own_name
from interlock.connectors.postgres.session.record import Asked
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


@dataclass(slots=True)
class _Reading:
    channel: Channel
    parsed: dict[str, Prepared] = field(default_factory=dict)
    bound: dict[str, Portal] = field(default_factory=dict)

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
        prepared = Prepared(
            message.name, infos[0] if infos else None, message.sql, message.types, self.channel.basis()
        )
        known = message.name and (
            message.name in self.channel.names.statements or message.name in self.parsed
        )
        if not known:  # otherwise the server refuses it, and the old one stays
            self.parsed[message.name] = prepared
        return Item("P", raw, done=self.channel.names.parsed(prepared))

    def _statement(self, name: str) -> Prepared:
        found = self.parsed.get(name) or self.channel.names.statements.get(name)
        if found is None:
            text = (
                f'prepared statement "{name}" does not exist'
                if name
                else "unnamed prepared statement does not exist"
            )
            raise Mistake(build.error_response("ERROR", "26000", text))
        basis = self.channel.basis()
        if found.info is not None and found.basis != basis:
            # Another function, view or search_path may have made another statement of it since.
            found.info, found.basis = self.channel.classify(found.sql)[0], basis
        return found

    def _bind(self, message: f.Bind, raw: bytes) -> Item:
        if own_name(message.portal):
            raise Mistake(
                build.error_response("ERROR", "42P03", "this portal name is reserved for Interlock")
            )
        portal = Portal(self._statement(message.statement), message)
        known = message.portal and (
            message.portal in self.channel.names.portals or message.portal in self.bound
        )
        if not known:
            self.bound[message.portal] = portal

        def done(ok: bool) -> None:
            if ok:
                self.channel.names.portals[message.portal] = portal
            elif not message.portal:
                self.channel.names.portals.pop("", None)

        info = portal.prepared.info
        return Item("B", raw, done=done, reads=info is None or info.way is Way.PASS)

    def _execute(self, message: f.Execute, raw: bytes) -> Item:
        portal = self.bound.get(message.portal) or self.channel.names.portals.get(message.portal)
        if portal is None:
            # Perhaps a cursor of SQL (DECLARE): the server knows, and inside a transaction it is measured as all is.
            if self.channel.in_transaction:
                return Item("E", raw)
            text = f'portal "{message.portal}" does not exist'
            raise Mistake(build.error_response("ERROR", "34000", text))
        info = portal.prepared.info
        if portal.started or info is None:
            return Item("E", raw)
        portal.started = True
        return Item("E", raw, info, _asked(info, portal), portal.bind, portal.prepared.types)

    def _close(self, message: f.Close, raw: bytes) -> Item:
        (self.parsed if message.kind == "S" else self.bound).pop(message.name, None)

        def done(ok: bool) -> None:
            if ok:
                self.channel.names.closed(message.kind, message.name)

        return Item("C", raw, done=done)


def _asked(info: StatementInfo, portal: Portal) -> Asked:
    bind = portal.bind
    return Asked(info.text, bool(bind.values), portal.prepared.types, bind.formats, bind.values)
