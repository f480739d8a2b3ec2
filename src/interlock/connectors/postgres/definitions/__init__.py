"""Definitions: everything that the catalogs say of an object, as text and names, so that it can be made again (docs/undo.md).

capture()   what objects are like, asked in an open transaction; `closure` finds which
inverse()   from what they were and what they are to statements, in stages
alike()     whether an object is as it was
"""

from interlock.connectors.postgres.definitions.capture import Captures, capture, closure, portraits, stands
from interlock.connectors.postgres.definitions.facet import Facet, alike
from interlock.connectors.postgres.definitions.inverse import Inverse, inverse

__all__ = ["Captures", "Facet", "Inverse", "alike", "capture", "closure", "inverse", "portraits", "stands"]
