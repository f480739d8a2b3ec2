"""The texts that come with Interlock: the core schema, the invariants and the default guardrails."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Template

from interlock.model.errors import Misconfigured
from interlock.policy.cedar import quote
from interlock.policy.limits import Limits

GUARDRAILS = ("default", "none")
INVARIANTS = "shipped/invariants.cedar"


@cache
def core_schema() -> str:
    """The Cedar schema that connectors add their kinds to."""
    return files("interlock.policy").joinpath("core.cedarschema").read_text("utf-8")


@cache
def templates() -> Mapping[str, str]:
    """The guardrail files by name, with `$rows_deleted` and the like where a number of `Limits` belongs."""
    folder = files("interlock.policy").joinpath("guardrails")
    found = (item for item in folder.iterdir() if item.name.endswith(".cedar"))
    return {item.name: item.read_text("utf-8") for item in sorted(found, key=lambda item: item.name)}


def policies(limits: Limits, guardrails: str = "default") -> dict[str, str]:
    """The shipped policy texts by file name. The invariants hold whatever `guardrails` says. Raises Misconfigured."""
    if guardrails not in GUARDRAILS:
        raise Misconfigured(f"guardrails: {guardrails!r} is none of {', '.join(GUARDRAILS)}")
    invariants = files("interlock.policy").joinpath("invariants.cedar").read_text("utf-8")
    texts = {INVARIANTS: invariants}
    if guardrails == "default":
        values = {name: _value(getattr(limits, name)) for name in Limits.__struct_fields__}
        texts |= {f"shipped/{name}": Template(text).substitute(values) for name, text in templates().items()}
    return texts


def _value(value: int | str) -> str:
    return quote(value)[1:-1] if isinstance(value, str) else str(value)
