"""Measuring what an open transaction did, without committing it (DESIGN section 9, "Measuring").

first()    the measuring query, pipelined behind the client's statements
examine()  its reply and what the catalogs and the observer say, turned into effects and a before-image
"""

from interlock.connectors.postgres.preview.context import Captured, Context, Limits, Loss
from interlock.connectors.postgres.preview.examine import examine, examine_definitions
from interlock.connectors.postgres.preview.first import (
    FLUSH,
    FORCED_SETTINGS,
    Counts,
    Facts,
    Identity,
    catalogs_changed,
    first,
    has_temp,
    identity,
    read,
    read_identity,
    tampered,
)
from interlock.connectors.postgres.preview.lost.closure import Losing
from interlock.connectors.postgres.preview.lost.losing import losing
from interlock.connectors.postgres.preview.rows.before import Predicate, image_before
from interlock.connectors.postgres.preview.sequences import setval
from interlock.connectors.postgres.preview.signals import facts

__all__ = [
    "FLUSH",
    "FORCED_SETTINGS",
    "Captured",
    "Context",
    "Counts",
    "Facts",
    "Identity",
    "Limits",
    "Losing",
    "Loss",
    "Predicate",
    "catalogs_changed",
    "examine",
    "examine_definitions",
    "facts",
    "first",
    "has_temp",
    "identity",
    "image_before",
    "losing",
    "read",
    "read_identity",
    "setval",
    "tampered",
]
