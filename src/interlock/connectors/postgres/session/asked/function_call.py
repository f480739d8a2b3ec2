"""Function calls by object id, the "fast path" (PostgreSQL manual, section 54.2.5): what libpq's large-object interface is made of.

A call is judged, recorded and run again as the SELECT of the same function with the same parameters. Only the functions of that
interface are known by their ids, which are fixed (`pg_proc.dat`).
"""

from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.session.ending.record import Asked

_OID, _INT4, _INT8, _BYTEA = 26, 23, 20, 17
_FUNCTIONS: dict[int, tuple[str, tuple[int, ...]]] = {
    715: ("lo_create", (_OID,)),
    952: ("lo_open", (_OID, _INT4)),
    953: ("lo_close", (_INT4,)),
    954: ("loread", (_INT4, _INT4)),
    955: ("lowrite", (_INT4, _BYTEA)),
    956: ("lo_lseek", (_INT4, _INT4, _INT4)),
    957: ("lo_creat", (_INT4,)),
    958: ("lo_tell", (_INT4,)),
    964: ("lo_unlink", (_OID,)),
    1004: ("lo_truncate", (_INT4, _INT4)),
    3170: ("lo_lseek64", (_INT4, _INT8, _INT4)),
    3171: ("lo_tell64", (_INT4,)),
    3172: ("lo_truncate64", (_INT4, _INT8)),
}


def as_statement(call: f.FunctionCall) -> Asked | None:
    """The statement that does the same. None when the function is none of the large-object interface, or the call does not fit."""
    name, types = _FUNCTIONS.get(call.function, ("", ()))
    if not name or len(call.arguments) != len(types):
        return None
    places = ", ".join(f"${n}" for n in range(1, len(types) + 1))
    return Asked(f"SELECT pg_catalog.{name}({places})", True, types, call.formats, call.arguments)
