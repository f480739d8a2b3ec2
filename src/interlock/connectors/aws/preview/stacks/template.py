"""Reads templates, in JSON and in YAML with its short forms (AWS CloudFormation User Guide, "Template anatomy")."""

from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from interlock.connectors.aws.preview.survey import Unsure
from interlock.model.base import Value

_MOST_NODES = 200_000
_DEEPEST = 100
_LONGEST = 2 << 20


class Declared(Value, frozen=True):
    """A resource as a template declares it."""

    type: str
    properties: Mapping[str, Any] = {}
    condition: str = ""
    deletion: str = ""
    replacement: str = ""


class Template(Value, frozen=True):
    """`macros` are transforms that rewrite it on the service's side, so that what it declares isn't known here: of the whole
    (`Transform`: AWS::Serverless, AWS::LanguageExtensions, macros of an account's own) or of a part of it (`Fn::Transform`,
    AWS::Include)."""

    resources: Mapping[str, Declared]
    parameters: Mapping[str, Mapping[str, Any]] = {}
    conditions: Mapping[str, Any] = {}
    mappings: Mapping[str, Any] = {}
    macros: bool = False


def read(source: object, *, processed: bool = False) -> Template:
    """From a template's text, or what was parsed of it. In one that the service has `processed` only what it left unexpanded
    counts as macros. Raises Unsure for what isn't understood."""
    body = _parsed(source)
    _bounded(body)
    resources = body.get("Resources")
    if not isinstance(resources, Mapping):
        raise Unsure("the template declares no resources")
    return Template(
        {str(name): _declared(one) for name, one in resources.items() if not str(name).startswith("Fn::")},
        _maps(body, "Parameters"),
        _maps(body, "Conditions"),
        _maps(body, "Mappings"),
        any(str(name).startswith("Fn::") for name in resources)
        or _transformed(body)
        or (any(_serverless(one) for one in resources.values()) if processed else "Transform" in body),
    )


def _serverless(one: object) -> bool:
    return isinstance(one, Mapping) and str(one.get("Type", "")).startswith("AWS::Serverless::")


def _transformed(body: object) -> bool:
    """Whether a part of it is rewritten, however deep it lies (`_bounded` has looked how deep that may be)."""
    level = [body]
    while level:
        if any(isinstance(node, Mapping) and "Fn::Transform" in node for node in level):
            return True
        level = [child for node in level for child in _children(node)]
    return False


def _maps(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name) or {}
    if not isinstance(found, Mapping):
        raise Unsure(f"the template's {name} aren't understood")
    return {str(key): value for key, value in found.items()}


def _declared(one: object) -> Declared:
    if not isinstance(one, Mapping) or not isinstance(one.get("Type"), str):
        raise Unsure("the template declares a resource that isn't understood")
    properties = one.get("Properties") or {}
    if not isinstance(properties, Mapping):
        raise Unsure("the template declares a resource that isn't understood")
    texts = (one.get(name) for name in ("Condition", "DeletionPolicy", "UpdateReplacePolicy"))
    # What is computed (an intrinsic function) isn't relied upon: as if it weren't there, so nothing is retained.
    condition, deletion, replacement = (text if isinstance(text, str) else "" for text in texts)
    return Declared(one["Type"], {str(k): v for k, v in properties.items()}, condition, deletion, replacement)


def _parsed(source: object) -> Mapping[str, Any]:
    if isinstance(source, str | bytes):
        source = _text(source)
    if not isinstance(source, Mapping):
        raise Unsure("the template isn't understood")
    return source


def _text(source: str | bytes) -> object:
    if len(source) > _LONGEST:
        raise Unsure("the template is too long")
    try:
        if source.lstrip()[:1] in ("{", b"{"):
            return msgspec.json.decode(source)
        return yaml.load(source, _Loader)
    except (msgspec.DecodeError, yaml.YAMLError, RecursionError, ValueError):
        raise Unsure("the template is neither JSON nor YAML") from None


class _Loader(yaml.CSafeLoader):
    """Safe, with CloudFormation's tags."""


def _short_form(loader: Any, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """`!GetAtt a.b` is `{"Fn::GetAtt": ["a", "b"]}` (AWS CloudFormation User Guide, "Intrinsic function reference")."""
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        value = value.split(".", 1) if suffix == "GetAtt" else value
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def _bounded(body: object) -> None:
    """Refuse what is too deep or, by YAML aliases, too large to be walked through."""
    nodes, level = 0, [body]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in _children(node)]
        nodes += len(level)
        if not level:
            return
        if nodes > _MOST_NODES:
            break
    raise Unsure("the template is too large to be looked through")


def _children(node: object) -> list[Any]:
    if isinstance(node, Mapping):
        return list(node.values())
    return list(node) if isinstance(node, list | tuple) else []
