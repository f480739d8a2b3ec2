"""The PostgreSQL connector: agents connect with their normal drivers to a gateway that speaks the frontend/backend protocol.

Where to look: `session/` follows one connection; `classify/` says what a statement is; `preview/` measures what a transaction
did and takes the before-image; `undo/` puts it back; `upstream*.py` talk to the server.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlock.connectors.postgres.connector import PostgresConnector

    CONNECTOR: PostgresConnector


def __getattr__(name: str) -> Any:
    # Only whoever wants the connector pays for loading all of it.
    if name != "CONNECTOR":
        raise AttributeError(name)
    from interlock.connectors.postgres.connector import PostgresConnector

    return PostgresConnector()
