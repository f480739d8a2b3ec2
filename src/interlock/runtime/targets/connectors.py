"""Finding connectors: a folder of `interlock.connectors`, or an entry point of the group `interlock.connectors`. Only those that
the configuration names are loaded, and those whose language another one asks for."""

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import re

from interlock.model.decision import Target
from interlock.model.errors import Misconfigured
from interlock.runtime.config import secrets
from interlock.runtime.config.document import Config
from interlock.runtime.health.config import can_be_run
from interlock.sdk.connector import Connector, Live

GROUP = "interlock.connectors"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)


def find(name: str) -> Connector | None:
    """The connector of that name; None when there is none. Raises Misconfigured when it is there and can't be loaded."""
    if not _NAME.fullmatch(name):
        return None
    if importlib.util.find_spec(f"{GROUP}.{name}") is not None:
        return _value(name, f"{GROUP}.{name}", "CONNECTOR")
    for entry in importlib.metadata.entry_points(group=GROUP, name=name):
        return _value(name, entry.module, entry.attr or "CONNECTOR")
    return None


def installed() -> list[str]:
    """The names of all connectors, folders first; none of them is loaded."""
    folders = importlib.import_module(GROUP).__path__
    names = [found.name for found in pkgutil.iter_modules(folders) if found.ispkg]
    return list(
        dict.fromkeys((*sorted(names), *(e.name for e in importlib.metadata.entry_points(group=GROUP))))
    )


def load(name: str) -> Connector:
    """As `find`; Misconfigured when there is none."""
    connector = find(name)
    if connector is None:
        raise Misconfigured(f"there is no connector {name!r}: is the package installed that brings it?")
    return connector


def _value(name: str, module: str, attribute: str) -> Connector:
    try:
        value: Connector = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        missing = f" (no module {error.name})" if error.name else ""
        raise Misconfigured(
            f"the connector {name!r} cannot be loaded{missing}: install interlock with the extra {name!r}"
        ) from None
    except AttributeError:
        raise Misconfigured(f"the connector {name!r} has no value {attribute}") from None
    return value


def configured(config: Config, name: str, connector: Connector) -> tuple[Target, Live]:
    """A target of the configuration, without any I/O on it. Raises Misconfigured with file and line."""
    keys = config.targets[name]
    strict = config.environments[keys.environment].protection == "strict"
    target = Target(name, keys.connector, keys.environment, strict, keys.mode == "observe")
    try:
        live = connector.configure(name, target, keys.own, secrets.reader(config.folder))
    except Misconfigured as error:
        raise config.source.within(("targets", name), str(error)) from None
    can_be_run(config.source, keys.health, keys.connector, live)
    return target, live
