"""What became of a transaction whose COMMIT was not answered (DESIGN section 9, "Crash")."""

from collections.abc import Mapping

from interlock.connectors.postgres.preview.first import identity, read_identity
from interlock.connectors.postgres.queries import Ask, QueryFailed, Steps
from interlock.sdk.connector import Cause, Settled

_STATUS = "SELECT pg_catalog.pg_xact_status($1::pg_catalog.xid8)"


def settle(marker: Mapping[str, str]) -> Steps[Settled]:
    """Ask about the transaction of a `Preview.marker` (xid, system, timeline, database), on any connection to its database.

    `pg_xact_status` (manual 9.27.11) answers for as long as the commit status of the transaction is kept; on another timeline
    the same xid may be another transaction. Whatever is not certain is `None`: in doubt.
    """
    if not marker.get("xid"):
        return Settled(False, "the transaction never wrote anything")
    (reply,) = yield (Ask("observer", identity().statements),)
    if isinstance(reply, QueryFailed):
        return Settled(None, f"the target could not be asked ({reply.sqlstate})")
    now = read_identity(reply)
    if (now.system, now.database) != (marker.get("system"), marker.get("database")):
        return Settled(None, "the target is another database than the one where it ran")
    if now.timeline != marker.get("timeline"):
        return Settled(None, "the target was restored or failed over since: it is on another timeline")
    (reply,) = yield (Ask("observer", ((_STATUS, (marker["xid"],)),)),)
    if isinstance(reply, QueryFailed):
        # 22023: an xid that this server has not given out yet.
        return Settled(None, f"the target does not know the transaction ({reply.sqlstate})")
    return _meaning(reply[0][0][0])


def _meaning(status: str | None) -> Settled:
    match status:
        case "committed":
            return Settled(True, "the target says that it is committed")
        case "aborted":
            return Settled(False, "the target says that it was rolled back", cause=Cause.TRANSIENT)
        case "in progress":
            return Settled(None, "it is still open on the target")
        case _:
            return Settled(None, "the target keeps its outcome no longer")
