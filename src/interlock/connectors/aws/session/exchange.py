"""One request of an agent's, from its head to its answer. Start reading at `serve`."""

import secrets
from datetime import UTC, datetime
from typing import Protocol

from interlock.connectors.aws import answer as answers
from interlock.connectors.aws import sigv4
from interlock.connectors.aws.answer import Answer
from interlock.connectors.aws.call import Call, Classified
from interlock.connectors.aws.codec import Asked, Codec, Unclear, Understood
from interlock.connectors.aws.codec.address import path_of
from interlock.connectors.aws.config import TargetConfig
from interlock.connectors.aws.http import Head, Malformed
from interlock.connectors.aws.identity import credentials
from interlock.connectors.aws.identity import signed as signature
from interlock.connectors.aws.identity.signed import Signed
from interlock.connectors.aws.session.agents import AgentSession, AgentSessions, Over
from interlock.connectors.aws.session.agents import Asked as Waiting
from interlock.connectors.aws.session.incoming import Incoming, Taken
from interlock.connectors.aws.session.never import never, unclear
from interlock.connectors.aws.session.outgoing import Outgoing
from interlock.connectors.aws.session.passing import forwarding, rewriting
from interlock.connectors.aws.session.passing.answers import OURS_AMONG, refuses_ours
from interlock.connectors.aws.session.passing.forwarding import Sends
from interlock.connectors.aws.session.record import Recorded, Request
from interlock.connectors.aws.session.unit import Account, CallUnit, Piece
from interlock.connectors.aws.sigv4 import NotSigned
from interlock.connectors.aws.upstream import Lost, Reply
from interlock.model.change import Change
from interlock.model.decision import HALTED, Forbid, Permit
from interlock.model.errors import Halted, InterlockError, Rejected, Unavailable
from interlock.model.operation import Action
from interlock.sdk.connector import Gate, Held, Permitted, Principal, Refused, Work

_MAKES = ("Create", "Import", "Restore")
"""Verbs of calls that make a thing, whatever else they are (a stack may give rights)."""
BASE = "/~/"
"""Begins the path of a service's own endpoint: `/~/dynamodb/…`."""


class Server(Account, Sends, Protocol):
    """What an exchange needs of its target."""

    gate: Gate
    config: TargetConfig
    codec: Codec
    sessions: AgentSessions
    hosts: tuple[str, ...]

    async def reader(self, call: Call) -> None: ...
    def classify(self, understood: Understood) -> Classified: ...
    async def belongs(self, what: Classified) -> Classified: ...
    def usual_protocol(self, service: str) -> str: ...
    def host_prefix(self, request: Request) -> str: ...
    def address(self, host: str) -> str: ...


class Exchange:
    """See the module. `request_id` names it in answers and logs."""

    def __init__(self, server: Server, head: Head, incoming: Incoming, out: Outgoing) -> None:
        self._server, self._head, self._incoming, self._out = server, head, incoming, out
        self.request_id = secrets.token_hex(16)
        self._protocol = self._service = ""

    async def serve(self) -> None:
        """Answer it. Raises Gone, ConnectionError when the client is gone; whatever else goes wrong is an answer."""
        try:
            await self._answer()
        except NotSigned as error:
            self._error(error.code, error.message, error.status)
        except Unclear as error:
            self._protocol, self._service = error.protocol or self._protocol, error.service or self._service
            self._error(error.code, str(error), 400)
        except Malformed as error:
            self._out.keep_alive = False
            self._error("MalformedRequest", error.sentence, error.status)
        except (Halted, Over) as error:
            self._refuse(Refused("breaker", str(error)))
        except Rejected as error:
            self._refuse(Refused("forbidden", str(error)))
        except (Lost, InterlockError) as error:
            self._refuse(Refused("unavailable", str(error), retry=True))

    async def _answer(self) -> None:
        endpoint, path = _endpoint(self._head.path)
        self._guess(endpoint)
        signed = signature.signed(self._head, self._server.gate, datetime.now(UTC))
        self._guess(endpoint or signed.claim.service)
        body = await self._body(signed)
        asked, understood = await self._understand(signed, endpoint, path, body)
        call = understood.call
        self._protocol, self._service = understood.protocol, call.service
        await self._server.reader(call)
        what = self._server.classify(understood)
        if no := never(signed, what, self._server.config.regions):
            self._forbid(signed.principal, what, no)
            return
        await self._decide(signed, what, await self._request(asked, understood, what, body), body)

    def _own(self) -> str:
        """The gateway's address, as this client reaches it."""
        return self._server.address(next((value for name, value in self._head.headers if name == "host"), ""))

    def _guess(self, service: str) -> None:
        """Until the protocol is known, the service's usual one is answered in."""
        self._service = service
        self._protocol = self._server.usual_protocol(service) if service else ""

    # -- what

    async def _body(self, signed: Signed) -> Taken:
        """As much of the body as is kept; a long one goes on streaming."""
        self._out.go_on()
        limits = self._server.config.limits
        decoder = sigv4.body(signed.mode, signed.claim, signed.secret)
        taken = Taken(
            self._incoming,
            decoder,
            signed.mode.length if signed.mode.length is not None else self._head.length,
        )
        if signed.mode.kind == "whole":
            await taken.more(limits.body_bytes)
            if not taken.complete:
                raise Malformed(413, f"the body is longer than {limits.body_bytes} bytes")
            signed.verify(self._head, sigv4.hash_of(taken.data), datetime.now(UTC))
        else:
            await taken.more(limits.inline_bytes)
        return taken

    async def _understand(
        self, signed: Signed, endpoint: str, path: str, body: Taken
    ) -> tuple[Asked, Understood]:
        asked = self._asked(signed, endpoint, path, body)
        understood = self._server.codec.understand(asked)
        if body.complete or understood.call.streaming:
            return asked, understood
        await body.more(self._server.config.limits.body_bytes)
        if not body.complete:
            raise Malformed(413, f"the body is longer than {self._server.config.limits.body_bytes} bytes")
        asked = self._asked(signed, endpoint, path, body)
        return asked, self._server.codec.understand(asked)

    def _asked(self, signed: Signed, endpoint: str, path: str, body: Taken) -> Asked:
        claim, head = signed.claim, self._head
        query = sigv4.without_signature(head.query) if claim.presigned else head.query
        data = body.data if body.complete else b""
        host = next((value for name, value in head.headers if name == "host"), "")
        return Asked(
            head.method,
            path,
            query,
            head.headers,
            data,
            not body.complete,
            claim.service,
            claim.region,
            endpoint,
            host,
        )

    async def _request(self, asked: Asked, understood: Understood, what: Classified, body: Taken) -> Request:
        head, service = self._head, what.call.service
        headers = forwarding.kept_headers(head.headers, body.trailers)
        made = Request(
            what.call,
            understood.protocol,
            head.method,
            path_of(asked, service, self._server.hosts),
            sigv4.without_signature(head.query),
            headers,
            body.data if body.complete else None,
            "" if body.complete else _declared(head.headers),
        )
        if not rewriting.concerns(made):
            return made
        where = await self._server.endpoints.where(service, what.call.region)
        return rewriting.inward(made, where.url, self._own())

    # -- whether

    async def _decide(self, signed: Signed, what: Classified, request: Request, body: Taken) -> None:
        if what.call.name in credentials.ANSWERED:
            self._credentials(signed, what)
            return
        session = await self._server.sessions.of(signed.principal)
        session.busy += 1
        try:
            await self._gated(session, what, request, body)
        finally:
            session.busy -= 1

    async def _gated(self, session: AgentSession, what: Classified, request: Request, body: Taken) -> None:
        gate, principal = self._server.gate, session.principal
        first = gate.check(principal, what.operations)
        if isinstance(first, Forbid):
            self._forbid(principal, what, first)
            return
        what = await self._server.belongs(what)
        if no := unclear(what):
            self._forbid(principal, what, no)
            return
        if isinstance(first, Permit) and what.operation.action is Action.READ and not what.quiet:
            await session.reading(self._pass(request, body))
        else:
            await self._admit(session, what, request, body)

    async def _pass(self, request: Request, body: Taken) -> None:
        """A read: passed on and back as it comes."""
        reply = await self._read(request, body)
        try:
            if rewriting.concerns(request) or reply.status in OURS_AMONG:
                await self._rewritten(request, reply)
            else:
                await self._out.relay(reply)
        except Lost:
            if self._out.begun:
                self._out.keep_alive = False  # the rest is missing, and the client must see that
                raise ConnectionResetError("the answer broke off") from None
            raise
        finally:
            reply.close()

    async def _read(self, request: Request, body: Taken) -> Reply:
        """Ask, and once more when a connection that was kept turned out to be closed: a read may run twice."""
        prefix = self._server.host_prefix(request)
        try:
            return await forwarding.send(self._server, request, body.sent(), body.length, prefix)
        except Lost as error:
            if not (error.stale and body.complete):
                raise
        return await forwarding.send(self._server, request, body.sent(), body.length, prefix)

    async def _rewritten(self, request: Request, reply: Reply) -> None:
        data = await reply.whole(self._server.answer_bytes)
        self._ours(reply.status, reply.headers, data)
        headers = reply.headers
        if rewriting.concerns(request):
            where = await self._server.endpoints.where(request.call.service, request.call.region)
            headers, data = rewriting.outward(request, headers, data, where.url, self._own())
        self._out.whole(reply.status, headers, data)

    async def _admit(self, session: AgentSession, what: Classified, request: Request, body: Taken) -> None:
        own = Piece(what, request, body.sent(), self._server.host_prefix(request))
        before = self._deletion_before(session, what)
        pieces = [own] if before is None else [self._piece(before[1]), own]
        unit = CallUnit(self._server, session, pieces)
        recorded = Recorded(tuple(piece.request for piece in pieces), session.principal.agent)
        operations = tuple(each for piece in pieces for each in piece.what.operations)
        work = Work(session.principal, operations, recorded.content, recorded.payload(), self._reason())
        waiting = self._server.gate.lift(session.principal, work.operations, work.content)
        if waiting is not None:
            asked, link = (self._protocol, self._service, self.request_id), self._server.gate.link
            self._out.answer(answers.held(Held(waiting, again=True), *asked, link=link))
            return
        async with self._server.sessions.deleting(what):
            said = await self._server.gate.admit(work, unit)
        if isinstance(said, Refused) and body.broke is not None:
            raise body.broke
        if isinstance(said, Refused) and said.change is None and unit.cause is not None:
            self._server.gate.failed(session.principal, operations, unit.cause)
        if isinstance(said, Held) and before is not None and not said.again:
            why = f"{said.change.id} takes its place: the deletion and the creation together"
            await self._server.gate.give_up(session.principal, before[0], why)
        await self._said(session, unit, own, said)

    def _deletion_before(self, session: AgentSession, what: Classified) -> tuple[str, Waiting] | None:
        """A call of this session's that waits for people, and deletes what this one creates: together they are one replacement."""
        if not what.call.operation.startswith(_MAKES):
            return None
        return session.waits(resource.name for resource in what.operation.resources)

    def _piece(self, asked: Waiting) -> Piece:
        return Piece(asked.what, asked.request, None, self._server.host_prefix(asked.request))

    def _reason(self) -> str:
        return next((value for name, value in self._head.headers if name == "x-interlock-reason"), "")

    async def _said(
        self, session: AgentSession, unit: CallUnit, own: Piece, said: Permitted | Held | Refused
    ) -> None:
        head = self._head.method == "HEAD"
        match said:
            case Permitted(change):
                session.note(unit.effects, change.id if change else "", done=True)
                if unit.done:
                    await self._service_answer(unit, own.request)
                else:
                    self._lost_answer(change)
            case Held(change):
                session.note(unit.effects, change.id, done=False)
                if len(unit.pieces) == 1:
                    session.hold(change.id, own.what, own.request, unit.effects)
                link = self._server.gate.link
                self._out.answer(
                    answers.held(said, self._protocol, self._service, self.request_id, head, link)
                )
            case Refused(code="failed") if unit.reply is not None:
                await self._service_answer(unit, own.request)  # the service's own error says it best
            case Refused():
                self._refuse(said)

    async def _service_answer(self, unit: CallUnit, request: Request) -> None:
        """The service's own answer."""
        reply = unit.reply
        assert reply is not None
        self._ours(reply.status, reply.headers, unit.reply_body)
        headers, data = reply.headers, unit.reply_body
        if rewriting.concerns(request):
            where = await self._server.endpoints.where(request.call.service, request.call.region)
            headers, data = rewriting.outward(request, headers, data, where.url, self._own())
        self._out.whole(reply.status, headers, data)

    def _lost_answer(self, change: Change | None) -> None:
        name = change.id if change is not None else ""
        head = self._head.method == "HEAD"
        link = self._server.gate.link
        self._say(answers.lost(name, self._protocol, self._service, self.request_id, head, link))

    def _ours(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        """Raise Unavailable when the service refuses the gateway's own credentials: its error would tell of them, and clients
        would take it for one of theirs."""
        code = refuses_ours(status, headers, body)
        if code:
            self._server.endpoints.forget()
            raise Unavailable(f"AWS refuses the gateway's own credentials ({code})")

    def _credentials(self, signed: Signed, what: Classified) -> None:
        server, call = self._server, what.call
        if call.operation == "GetCallerIdentity":
            result = credentials.caller(
                signed.principal, server.config.account, server.config.partition, signed.narrowed
            )
            self._out.answer(answers.success(self._protocol, "sts", call.operation, result, self.request_id))
            return
        decision = server.gate.check(signed.principal, (what.operation,))
        if isinstance(decision, Forbid):
            self._forbid(signed.principal, what, decision)
            return
        try:
            result = credentials.issued(
                call, signed.principal, signed.credential, signed.narrowed, datetime.now(UTC)
            )
        except credentials.CannotNarrow as error:
            raise Rejected(str(error)) from None
        server.gate.log("aws.key_narrowed", agent=signed.principal.agent, operation=call.operation)
        self._out.answer(answers.success(self._protocol, "sts", call.operation, result, self.request_id))

    # -- answers of ours

    def _forbid(self, principal: Principal, what: Classified, why: Forbid) -> None:
        """A refusal that the ledger knows of; but for a halt, which it knows of already."""
        halted = HALTED in why.reasons
        if not halted:
            self._server.gate.refused(principal, what.operations, why)
        self._refuse(Refused("breaker" if halted else "forbidden", why.why))

    def _refuse(self, said: Refused) -> None:
        head, link = self._head.method == "HEAD", self._server.gate.link
        self._say(answers.refused(said, self._protocol, self._service, self.request_id, head, link))

    def _error(self, code: str, message: str, status: int) -> None:
        head = self._head.method == "HEAD"
        self._say(
            answers.error(self._protocol, self._service, code, message, status, self.request_id, {}, head)
        )

    def _say(self, answer: Answer) -> None:
        if self._out.begun:
            raise ConnectionResetError("an answer was begun already")
        self._out.answer(answer)


def _endpoint(path: str) -> tuple[str, str]:
    """The service of a base path, and what comes after it."""
    if not path.startswith(BASE):
        return "", path
    service, slash, rest = path.removeprefix(BASE).partition("/")
    return service, slash + rest or "/"


def _declared(headers: tuple[tuple[str, str], ...]) -> str:
    """What the client said of a body that streams: its hash or checksum."""
    told = (
        f"{name}={value}"
        for name, value in headers
        if (name.startswith("x-amz-checksum-") or name in ("content-md5", "x-amz-content-sha256"))
        and not value.startswith(("STREAMING", "UNSIGNED"))
    )
    return ",".join(sorted(told))
