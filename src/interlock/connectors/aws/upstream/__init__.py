"""The only I/O of this connector: AWS itself, the models that botocore brings, and a cache file."""

from interlock.connectors.aws.upstream.calls import AwsCalls
from interlock.connectors.aws.upstream.endpoints import Endpoints, Where
from interlock.connectors.aws.upstream.forward import Forwarder, Lost, Reply
from interlock.connectors.aws.upstream.models import (
    access_levels,
    loaded,
    operation_models,
    routing_index,
    service_variables,
)
from interlock.connectors.aws.upstream.pool import Origin
from interlock.connectors.aws.upstream.tls import listener_context

__all__ = [
    "AwsCalls",
    "Endpoints",
    "Forwarder",
    "Lost",
    "Origin",
    "Reply",
    "Where",
    "access_levels",
    "listener_context",
    "loaded",
    "operation_models",
    "routing_index",
    "service_variables",
]
