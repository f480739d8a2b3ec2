"""The suite that every connector must pass. It finds the connectors by their folders; none is named."""

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from interlock.model.decision import Target
from interlock.model.people import Quorum
from interlock.policy.engine import Engine
from interlock.runtime.targets.connectors import load
from interlock.sdk.connector import Connector, Live

PARTS = ("README.md", "schema.cedarschema", "cases.toml", "example.toml")
"""What lies beside the code of each connector."""


def folders() -> Iterator[Traversable]:
    """The folder of each connector."""
    for folder in files("interlock.connectors").iterdir():
        if folder.is_dir() and folder.joinpath("__init__.py").is_file():
            yield folder


def names() -> list[str]:
    """The connectors there are."""
    return sorted(folder.name for folder in folders())


def example(name: str) -> dict[str, Any]:
    """A connector's smallest configuration, without what the core reads."""
    return tomllib.loads(files(f"interlock.connectors.{name}").joinpath("example.toml").read_text("utf-8"))


def missing_parts(name: str) -> list[str]:
    """What should lie beside the code and does not."""
    folder = files(f"interlock.connectors.{name}")
    return [part for part in PARTS if not folder.joinpath(part).is_file()]


def load_schema(connector: Connector) -> None:
    """The connector's part of the policy schema fits the core's. Raises Misconfigured."""
    Engine.load(fragments={connector.name: connector.schema()}, quorums=(Quorum("two-sre", 2, "sre"),))


def configured(
    name: str, raw: dict[str, Any] | None = None, *, strict: bool = True
) -> tuple[Connector, Live]:
    """The connector, and a target built from its example (or `raw`) without any I/O. Secrets read as a planted text."""
    connector = load(name)
    target = Target("example", name, "production", strict=strict)
    return connector, connector.configure(
        "example", target, example(name) if raw is None else raw, lambda _: lambda: PLANTED
    )


PLANTED = "planted-secret-8417"
"""What every secret reads as here: it must turn up nowhere."""
