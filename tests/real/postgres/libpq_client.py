"""libpq itself, as a program of its own: its calls hold the interpreter, and would hold a gateway in the same process.

python libpq_client.py DSN plain|pipeline    prints what came of each call, as one JSON list
"""

import json
import sys
from typing import Any

from psycopg import pq

STATE = pq.DiagnosticField.SQLSTATE


def plain(connection: pq.abc.PGconn) -> list[Any]:
    said: list[Any] = []
    result = connection.exec_params(b"SELECT $1::int + 1", [b"41"])
    said.append(text(result.get_value(0, 0)))
    connection.prepare(b"s", b"UPDATE ten SET b = $1 WHERE a = $2")
    described = connection.describe_prepared(b"s")
    said.append([described.nparams, described.param_type(1)])
    said.append(connection.exec_prepared(b"s", [b"x", b"1"]).command_tuples)
    said.append(text(connection.exec_prepared(b"s", [b"x", b"one"]).error_field(STATE)))
    connection.send_query(b"SELECT generate_series(1, 3)")
    connection.set_single_row_mode()
    while (got := connection.get_result()) is not None:
        said.append(pq.ExecStatus(got.status).name)
    said.append(text(connection.exec_(b"DELETE FROM ten").error_field(STATE)))
    connection.exec_(b"BEGIN")
    connection.exec_(b"DELETE FROM ten")
    said.append(text(connection.exec_(b"COMMIT").error_field(STATE)))
    said.append(pq.TransactionStatus(connection.transaction_status).name)
    return said


def pipeline(connection: pq.abc.PGconn) -> list[Any]:
    connection.enter_pipeline_mode()
    for n in range(1, 4):
        connection.send_query_params(b"UPDATE ten SET b = 'p' WHERE a = $1", [str(n).encode()])
    connection.send_query_params(b"SELECT 1/0", None)
    connection.send_query_params(b"UPDATE ten SET b = 'p' WHERE a = 9", None)
    connection.pipeline_sync()
    connection.send_query_params(b"SELECT count(*) FROM ten WHERE b = 'p'", None)
    connection.send_flush_request()
    connection.pipeline_sync()
    said: list[Any] = []
    while said.count("PIPELINE_SYNC") < 2:
        result = connection.get_result()
        if result is None:
            continue
        said.append(pq.ExecStatus(result.status).name)
        if result.status == pq.ExecStatus.TUPLES_OK:
            said.append(text(result.get_value(0, 0)))
    return said


def text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


if __name__ == "__main__":
    made = pq.PGconn.connect(sys.argv[1].encode())
    if made.status != pq.ConnStatus.OK:
        sys.exit(made.error_message.decode())
    print(json.dumps({"plain": plain, "pipeline": pipeline}[sys.argv[2]](made)))
