"""The one table of operations: it routes requests, writes the OpenAPI document, and is what the tests go through."""

from typing import Any

from interlock.console.handlers import (
    changes,
    deciding,
    insight,
    ledger,
    status,
    switches,
)
from interlock.console.handlers.targets import protection, trash
from interlock.console.monitoring.health import Health, Targets
from interlock.console.operations import V1, Access, Operation
from interlock.console.routes.deciding import BREAK_GLASS, GOVERNING, MESSAGES
from interlock.console.routes.people import PEOPLE
from interlock.console.schemas import (
    ChangeDetail,
    ChangePage,
    ChangeQuery,
    Consistency,
    ConsistencyQuery,
    Empty,
    EntryQuery,
    Findings,
    LedgerEntries,
    LedgerHead,
    Outcome,
    OwnChange,
    OwnChangeQuery,
    OwnChanges,
    OwnQuery,
    ProofQuery,
    Reason,
    ReportQuery,
    RevertQuery,
    Signed,
    SignedRevert,
    StatementQuery,
    ToSign,
)
from interlock.console.schemas.breakers import (
    BreakerDetail,
    BreakerQuery,
    Breakers,
    Freeze,
    Move,
    TripQuery,
    Trips,
    TuneQuery,
)
from interlock.console.schemas.deciding import (
    Comments,
    NewComment,
    Unapproval,
)
from interlock.console.schemas.insight import Timeline
from interlock.console.schemas.targets import EmptyTrash, ProtectedTables, Tables, TrashList, TrashQuery
from interlock.model.breaker import Breaker
from interlock.model.change import Comment
from interlock.runtime.service.deciding.insight import SampleView
from interlock.runtime.service.deciding.report import Report
from interlock.runtime.service.deciding.reverting import RevertPlan
from interlock.runtime.service.stopping.halts import Drilled, HaltState
from interlock.runtime.service.stopping.tuning import Tuning

PUBLIC, AGENT, PERSON, ADMIN = Access.PUBLIC, Access.AGENT, Access.PERSON, Access.ADMIN

_STATUS = (
    Operation(
        id="health", method="GET", path="/healthz", access=PUBLIC, tag="status", answer=Health, also=(503,),
        summary="Whether this replica can decide and record", handler=status.health,
    ),
    Operation(
        id="metrics", method="GET", path="/metrics", access=PUBLIC, tag="status", media=status.METRICS,
        summary="Counters for Prometheus", handler=status.metrics,
    ),
    Operation(
        id="openapi", method="GET", path="/openapi.json", access=PUBLIC, tag="status", answer=dict[str, Any],
        summary="This document", handler=status.openapi,
    ),
    Operation(
        id="targets", method="GET", path=f"{V1}/targets", access=PERSON, tag="status", answer=Targets,
        summary="The targets of this replica", handler=status.targets,
    ),
    Operation(
        id="report", method="GET", path=f"{V1}/report", access=PERSON, tag="status", query=ReportQuery, answer=Report,
        summary="What was held lately, or would have been in a target that only observes", handler=status.report,
    ),
    Operation(
        id="doctor", method="GET", path=f"{V1}/doctor", access=PERSON, tag="status", answer=Findings,
        summary="Misconfigurations that would defeat the gate", handler=status.doctor,
    ),
)  # fmt: skip

_CHANGES = (
    Operation(
        id="ownChanges", method="GET", path="/changes", access=AGENT, tag="changes", query=OwnQuery, answer=OwnChanges,
        summary="An agent's own changes, newest first", handler=changes.owns, page="/console/changes",
    ),
    Operation(
        id="ownChange", method="GET", path="/changes/{id}", access=AGENT, tag="changes", query=OwnChangeQuery,
        answer=OwnChange, summary="An agent's own change; with `wait`, once it has moved", handler=changes.own,
        page="/console/changes/{id}",
    ),
    Operation(
        id="withdrawOwnChange", method="POST", path="/changes/{id}/withdraw", access=AGENT, tag="changes", body=Reason,
        answer=OwnChange, summary="Give up an agent's own open change", handler=changes.own_withdrawn,
    ),
    Operation(
        id="listChanges", method="GET", path=f"{V1}/changes", access=PERSON, tag="changes", query=ChangeQuery,
        answer=ChangePage, summary="Changes, newest first", handler=changes.listed,
    ),
    Operation(
        id="getChange", method="GET", path=f"{V1}/changes/{{id}}", access=PERSON, tag="changes", answer=ChangeDetail,
        summary="One change, with its approvals and statements", handler=changes.shown,
    ),
    Operation(
        id="getStatement", method="GET", path=f"{V1}/changes/{{id}}/statement", access=PERSON, tag="changes",
        query=StatementQuery, answer=ToSign, summary="What a person would sign, and all it is computed from",
        handler=changes.statement,
    ),
    Operation(
        id="speak", method="POST", path=f"{V1}/changes/{{id}}/approvals", access=PERSON, tag="changes", body=Signed,
        answer=ChangeDetail, summary="Give a signed approval or denial", handler=changes.spoken, light=True,
    ),
    Operation(
        id="takeBackApproval", method="POST", path=f"{V1}/changes/{{id}}/approvals/withdraw", access=PERSON, tag="changes",
        body=Unapproval, answer=ChangeDetail, summary="Take one's own approval back before it is used",
        handler=deciding.taken_back, light=True,
    ),
    Operation(
        id="listComments", method="GET", path=f"{V1}/changes/{{id}}/comments", access=PERSON, tag="changes", answer=Comments,
        summary="What people wrote beside a change", handler=deciding.comments,
    ),
    Operation(
        id="addComment", method="POST", path=f"{V1}/changes/{{id}}/comments", access=PERSON, tag="changes", body=NewComment,
        answer=Comment, status=201, summary="Write something beside a change", handler=deciding.commented, light=True,
    ),
    Operation(
        id="applyChange", method="POST", path=f"{V1}/changes/{{id}}/apply", access=PERSON, tag="changes", body=Empty,
        answer=Outcome, summary="Apply an approved change on the server's side", handler=changes.applied,
    ),
    Operation(
        id="withdrawChange", method="POST", path=f"{V1}/changes/{{id}}/withdraw", access=PERSON, tag="changes", body=Reason,
        light=True,
        answer=ChangeDetail, summary="Take back an open change: nobody can approve or use it any more", handler=changes.withdrawn,
    ),
    Operation(
        id="planRevert", method="GET", path=f"{V1}/changes/{{id}}/revert", access=PERSON, tag="changes", query=RevertQuery,
        answer=RevertPlan, summary="What a revert would do now, and which rows others touched since", handler=changes.revert_plan,
    ),
    Operation(
        id="revertChange", method="POST", path=f"{V1}/changes/{{id}}/revert", access=PERSON, tag="changes",
        body=SignedRevert, answer=Outcome, summary="Undo an applied change", handler=changes.reverted, light=True,
    ),
    Operation(
        id="getSample", method="GET", path=f"{V1}/changes/{{id}}/sample", access=PERSON, tag="changes", answer=SampleView,
        summary="Some rows and definitions as they were and would be, without the values", handler=insight.sample,
    ),
    Operation(
        id="revealSample", method="POST", path=f"{V1}/changes/{{id}}/sample", access=PERSON, tag="changes", body=Empty,
        answer=SampleView, summary="The same with the values, which is recorded", handler=insight.revealed,
    ),
    Operation(
        id="getTimeline", method="GET", path=f"{V1}/changes/{{id}}/timeline", access=PERSON, tag="changes", answer=Timeline,
        summary="The entries of the ledger about a change", handler=insight.timeline,
    ),
)  # fmt: skip

_SWITCHES = (
    Operation(
        id="listBreakers", method="GET", path=f"{V1}/breakers", access=PERSON, tag="breakers", answer=Breakers,
        summary="All breakers", handler=switches.breakers,
    ),
    Operation(
        id="tuneBreakers", method="GET", path=f"{V1}/breakers/tune", access=PERSON, tag="breakers", query=TuneQuery, answer=Tuning,
        summary="Which past changes would have opened a breaker or waited, and numbers that would fit", handler=switches.tune,
    ),
    Operation(
        id="getBreaker", method="GET", path=f"{V1}/breaker", access=PERSON, tag="breakers", query=BreakerQuery,
        answer=BreakerDetail, handler=switches.one,
        summary="One breaker: why it opened, the operations that led there, what was spent",
    ),
    Operation(
        id="listTrips", method="GET", path=f"{V1}/breakers/trips", access=PERSON, tag="breakers", query=TripQuery, answer=Trips,
        summary="Breakers that opened by themselves, newest first", handler=switches.trips,
    ),
    Operation(
        id="moveBreaker", method="POST", path=f"{V1}/breakers", access=PERSON, tag="breakers", body=Move, answer=Breaker,
        proposes=True, light=True,
        summary="Open a breaker, or reset it by one step", handler=switches.move,
    ),
    Operation(
        id="freeze", method="POST", path=f"{V1}/environments/{{name}}/freeze", access=PERSON, tag="breakers", body=Freeze,
        answer=Breaker, summary="Freeze an environment", handler=switches.freeze, light=True,
    ),
    Operation(
        id="thaw", method="POST", path=f"{V1}/environments/{{name}}/thaw", access=PERSON, tag="breakers", body=Reason,
        answer=Breaker, proposes=True,
        summary="End a freeze", handler=switches.thaw,
    ),
    Operation(
        id="getHalt", method="GET", path=f"{V1}/halt", access=PERSON, tag="breakers", answer=HaltState,
        summary="Whether everything is halted, and when the kill switch was tried last", handler=switches.halted,
    ),
    Operation(
        id="halt", method="POST", path=f"{V1}/halt", access=PERSON, tag="breakers", body=Reason, answer=Breaker, light=True,
        summary="Stop everything and disconnect all agents", handler=switches.halt,
    ),
    Operation(
        id="resume", method="POST", path=f"{V1}/resume", access=PERSON, tag="breakers", body=Reason, answer=Breaker,
        proposes=True, summary="End the halt of everything", handler=switches.resume,
    ),
    Operation(
        id="drillHalt", method="POST", path=f"{V1}/halt/drill", access=PERSON, tag="breakers", body=Empty, answer=Drilled,
        summary="Try the kill switch on every replica, without stopping an agent", handler=switches.drill,
    ),
)  # fmt: skip

_TABLES = (
    Operation(
        id="protectTables", method="POST", path=f"{V1}/targets/{{name}}/protect", access=PERSON, tag="targets", body=Tables,
        answer=ProtectedTables, summary="Protect tables, so that changes of large ones can be undone", handler=protection.protect,
    ),
    Operation(
        id="unprotectTables", method="POST", path=f"{V1}/targets/{{name}}/unprotect", access=ADMIN, tag="targets", body=Tables,
        answer=ProtectedTables, proposes=True,
        summary="End the protection of tables", handler=protection.unprotect,
    ),
    Operation(
        id="listTrash", method="GET", path=f"{V1}/targets/{{name}}/trash", access=PERSON, tag="targets", query=TrashQuery,
        answer=TrashList, summary="What changes took away and a target still keeps", handler=trash.listed,
    ),
    Operation(
        id="emptyTrash", method="POST", path=f"{V1}/targets/{{name}}/trash/empty", access=ADMIN, tag="targets", body=EmptyTrash,
        answer=TrashList, proposes=True,
        summary="Remove it for good: it can be given back no longer", handler=trash.emptied,
    ),
)  # fmt: skip

_LEDGER = (
    Operation(
        id="ledgerHead", method="GET", path=f"{V1}/ledger/head", access=PERSON, tag="ledger", answer=LedgerHead,
        summary="How far the log is, and how far it is signed", handler=ledger.head,
    ),
    Operation(
        id="ledgerEntries", method="GET", path=f"{V1}/ledger/entries", access=PERSON, tag="ledger", query=EntryQuery,
        answer=LedgerEntries, summary="Consecutive entries", handler=ledger.entries,
    ),
    Operation(
        id="ledgerProof", method="GET", path=f"{V1}/ledger/proof", access=PERSON, tag="ledger", query=ProofQuery,
        media="text/plain", summary="Proof that an entry is in the log (c2sp.org/tlog-proof)", handler=ledger.proof,
    ),
    Operation(
        id="ledgerConsistency", method="GET", path=f"{V1}/ledger/consistency", access=PERSON, tag="ledger",
        query=ConsistencyQuery, answer=Consistency, summary="Proof that the log only grew (RFC 9162)",
        handler=ledger.consistency,
    ),
    Operation(
        id="ledgerCheckpoint", method="GET", path="/ledger/checkpoint", access=PUBLIC, tag="ledger", media="text/plain",
        summary="The newest signed checkpoint (c2sp.org/tlog-checkpoint)", handler=ledger.checkpoint,
    ),
    Operation(
        id="ledgerTile", method="GET", path="/ledger/tile/{path:path}", access=PERSON, tag="ledger",
        media="application/octet-stream", summary="A Merkle tile or entry bundle (c2sp.org/tlog-tiles)",
        handler=ledger.tile,
    ),
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = (
    *_STATUS, *_CHANGES, *BREAK_GLASS, *PEOPLE, *_SWITCHES, *_TABLES, *GOVERNING, *_LEDGER, *MESSAGES
)  # fmt: skip
"""Every operation there is."""
