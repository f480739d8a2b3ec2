"""Is held in each way that libpq has, and prints the SQLSTATEs that came, as JSON. A program of its own: libpq's calls hold the
interpreter, and would hold a gateway in the same process.

python libpq_late.py DSN…     each way is tried with the next one: an agent may have few changes open
"""

import json
import sys
from collections.abc import Callable

from psycopg import pq

STATE = pq.DiagnosticField.SQLSTATE
WIPE = b"DELETE FROM ten RETURNING a"


def state(result: pq.abc.PGresult) -> str:
    code = result.error_field(STATE)
    return code.decode() if code else pq.ExecStatus(result.status).name


def rest(connection: pq.abc.PGconn) -> list[str]:
    """What comes until there is nothing more."""
    found = []
    while (result := connection.get_result()) is not None:
        found.append(state(result))
    return found


def autocommit(connection: pq.abc.PGconn) -> list[str]:
    return [state(connection.exec_(b"DELETE FROM ten"))]


def parameters(connection: pq.abc.PGconn) -> list[str]:
    return [state(connection.exec_params(b"DELETE FROM ten WHERE a > $1", [b"0"]))]


def several(connection: pq.abc.PGconn) -> list[str]:
    connection.send_query(b"UPDATE ten SET b = 'x' WHERE a = 1; DELETE FROM ten; SELECT 1")
    return rest(connection)


def transaction(connection: pq.abc.PGconn) -> list[str]:
    return [state(connection.exec_(text)) for text in (b"BEGIN", b"DELETE FROM ten", b"SELECT 1", b"COMMIT")]


def rows_one_by_one(connection: pq.abc.PGconn) -> list[str]:
    connection.send_query(WIPE)
    connection.set_single_row_mode()
    return rest(connection)


def rows_with_parameters(connection: pq.abc.PGconn) -> list[str]:
    connection.send_query_params(b"DELETE FROM ten WHERE a > $1 RETURNING a", [b"0"])
    connection.set_single_row_mode()
    return rest(connection)


def pipeline(connection: pq.abc.PGconn) -> list[str]:
    connection.enter_pipeline_mode()
    connection.send_query_params(b"UPDATE ten SET b = 'x' WHERE a = 1", None)
    connection.send_query_params(b"DELETE FROM ten", None)
    connection.send_query_params(b"SELECT 1", None)
    connection.pipeline_sync()
    return until_sync(connection)


def flushed_pipeline(connection: pq.abc.PGconn) -> list[str]:
    connection.enter_pipeline_mode()
    connection.send_query_params(WIPE, None)
    connection.send_flush_request()
    connection.send_query_params(b"SELECT 1", None)
    connection.pipeline_sync()
    return until_sync(connection)


def until_sync(connection: pq.abc.PGconn) -> list[str]:
    found: list[str] = []
    while "PIPELINE_SYNC" not in found:
        result = connection.get_result()
        if result is not None:
            found.append(state(result))
    connection.exit_pipeline_mode()
    return found


def copy(connection: pq.abc.PGconn) -> list[str]:
    found = [state(connection.exec_(b"BEGIN")), state(connection.exec_(b"DELETE FROM ten"))]
    found.append(state(connection.exec_(b"COPY ten FROM STDIN")))
    connection.put_copy_data(b"20\tnew\n")
    connection.put_copy_end()
    found += rest(connection)
    found.append(state(connection.exec_(b"COMMIT")))
    return found


WAYS: tuple[Callable[[pq.abc.PGconn], list[str]], ...] = (
    *(autocommit, parameters, several, transaction, rows_one_by_one),
    *(rows_with_parameters, pipeline, flushed_pipeline, copy),
)

if __name__ == "__main__":
    said = {}
    for way, dsn in zip(WAYS, sys.argv[1:], strict=True):
        connection = pq.PGconn.connect(dsn.encode())
        assert connection.status == pq.ConnStatus.OK, connection.error_message.decode()
        said[way.__name__] = way(connection)
        assert state(connection.exec_(b"SELECT 1")) == "TUPLES_OK", way.__name__
        connection.finish()
    print(json.dumps(said))
