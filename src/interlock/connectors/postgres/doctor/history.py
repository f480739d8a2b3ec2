"""Whether the history triggers of protected tables are whole."""

from collections.abc import Sequence

from interlock.connectors.postgres import history
from interlock.connectors.postgres.queries import Ask, QueryFailed, Steps
from interlock.sdk.connector import Finding

CHECK = "history triggers"


def findings(roles: Sequence[str]) -> Steps[list[Finding]]:
    """Nothing when no table is protected. `roles` are those whose changes must be written down."""
    (reply,) = yield (Ask("agent", (history.installed_statement(),)),)
    if isinstance(reply, QueryFailed):
        return [Finding("warning", CHECK, f"they cannot be looked at ({reply.sqlstate})")]
    found = history.read_installed(reply[0], roles)
    broken = [
        Finding(
            "warning",
            CHECK,
            f"{one.table}: {one.fault}",
            f"interlock postgres protect TARGET {one.table}",
        )
        for one in found
        if one.fault
    ]
    if broken or not found:
        return broken
    number = "1 table is" if len(found) == 1 else f"{len(found)} tables are"
    return [Finding("ok", CHECK, f"{number} protected, their history triggers are whole")]
