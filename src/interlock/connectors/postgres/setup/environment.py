"""The environment in which libpq, and what follows its conventions, connects through the gateway."""

from collections.abc import Mapping
from urllib.parse import quote

from interlock.sdk.connector import Reach

ELSEWHERE = ("PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE", "PGTARGETSESSIONATTRS")
"""Variables with which libpq would go, or authenticate, somewhere else in spite of the others."""


def client_environment(reach: Reach) -> Mapping[str, str | None]:
    """`DATABASE_URL`, and libpq's variables (manual, section 34.15). Waiting and reason go into `PGOPTIONS`, which libpq and
    node-postgres send along; they are left out of the address, where some clients take them for something of their own."""
    host, _, port = reach.address.rpartition(":")
    host = host.strip("[]")
    user, password = quote(reach.agent, safe=""), quote(reach.token, safe="")
    at = f"[{host}]" if ":" in host else host
    return {
        **dict.fromkeys(ELSEWHERE),
        "DATABASE_URL": f"postgresql://{user}:{password}@{at}:{port}/{quote(reach.target, safe='')}",
        "PGHOST": host,
        "PGPORT": port,
        "PGUSER": reach.agent,
        "PGPASSWORD": reach.token,
        "PGDATABASE": reach.target,
        "PGOPTIONS": _options(reach),
    }


def _options(reach: Reach) -> str:
    wished = [f"-c interlock.wait={reach.wait_s}s"]
    if reach.reason:
        wished.append(f"-c interlock.reason={_escaped(reach.reason)}")
    return " ".join(wished)


def _escaped(text: str) -> str:
    """Backslashes before what would end the value (manual, section 34.1.2, options)."""
    return "".join(f"\\{c}" if c == "\\" or c.isspace() else c for c in text)
