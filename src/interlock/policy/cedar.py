"""The one place that speaks to Cedar: parsed handles, validation, questions.

What was tried with cedarpy 4.12, and shapes this file:

- A policy whose condition errors is skipped, so a broken `forbid` would allow. A `Verdict` with `errors` is never an allowance.
- Validation does not rule errors out (integer overflow), so the errors of each answer are looked at.
- Cedar recurses on the native stack: a text nested some hundred levels deep kills the process. `measured` looks before.
- The `@id` annotation is not the id Cedar reports; sets built here carry it as the real id.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import cedarpy
import msgspec
from cedarpy import pst as pst

Handle = cedarpy.PolicySet
Schema = cedarpy.Schema
Entities = cedarpy.Entities

MAX_BYTES: Final = 8 << 20
"""Longest text of one file."""
MAX_DEPTH: Final = 40
"""Deepest nesting of brackets. Cedar dies somewhere between 110 and 1,000."""
MAX_TOKENS: Final = 2_000
"""Longest single policy: a chain of operators nests as deep as it is long. Cedar dies above 3,000."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n\r]*|\w+|[^\w\s]', re.DOTALL)
_PLAIN = frozenset(map(chr, range(0x20, 0x7F))) - {'"', "\\", "*"}


class CedarError(ValueError):
    """Cedar could not read a text or answer a question. The message may quote policy text: it is for operators."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """Cedar's answer. `reasons` are the ids of the determining policies, sorted: permits when allowed, else forbids (none of them
    when nothing permits). With any `errors` it is not allowed."""

    allowed: bool
    reasons: tuple[str, ...]
    errors: tuple[str, ...] = ()


def quote(text: str) -> str:
    """A Cedar string literal of any text (grammar: docs.cedarpolicy.com, STR). ValueError for a lone surrogate."""
    return f'"{_escaped(text)}"'


def pattern(text: str) -> str:
    """A Cedar `like` pattern in which each `*` of `text` stands for any characters. ValueError for a lone surrogate."""
    return '"' + "*".join(_escaped(part) for part in text.split("*")) + '"'


def _escaped(text: str) -> str:
    text.encode()
    return "".join(c if c in _PLAIN else f"\\u{{{ord(c):x}}}" for c in text)


def parse_schema(text: str) -> Schema:
    """Parse a schema in Cedar's schema syntax. Raises CedarError."""
    try:
        return Schema.from_str(text)
    except ValueError as error:
        raise CedarError(str(error)) from error


def measured(text: str) -> None:
    """Refuse a text that is too long, or nested so deep that Cedar would take the process down with it. Raises CedarError."""
    if len(text) > MAX_BYTES:
        raise CedarError(f"longer than {MAX_BYTES} characters")
    depth = tokens = 0
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token.startswith("//"):
            continue
        depth += (token in "([{") - (token in ")]}") if len(token) == 1 else 0
        tokens = 0 if token == ";" else tokens + 1
        if depth > MAX_DEPTH or tokens > MAX_TOKENS:
            line = text.count("\n", 0, found.start()) + 1
            raise CedarError(
                f"the policy at line {line} is nested too deep or too long: split it into several"
            )


def split(text: str) -> list[str]:
    """The texts of the single policies, as written, with the comments before them."""
    found, start = [], 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            found.append(text[start : token.end()].strip())
            start = token.end()
    return found


def parse(text: str, schema: Schema) -> tuple[pst.Template, ...]:
    """Parse and validate policies, in their order. Raises CedarError: with the syntax error, or with all that validation found."""
    measured(text)
    try:
        tree = cedarpy.policies_to_pst(text)
    except ValueError as error:
        raise CedarError(str(error)) from error
    if tree.templates:
        raise CedarError(
            "templates (?principal, ?resource) are not supported: name the agent or the resource"
        )
    validate(text, schema)
    # Cedar names them policy0, policy1, … in the order of the text, but keeps them in a map.
    return tuple(tree.static_policies[f"policy{number}"] for number in range(len(tree.static_policies)))


def validate(text: str, schema: Schema) -> None:
    """Check policies against the schema. Raises CedarError naming each policy by its `@id`."""
    result = cedarpy.validate_policies(text, schema)
    if result.validation_passed:
        return
    ids = result.id_annotations_by_policy_id
    found = dict.fromkeys(
        e.error.replace(f"`{e.policy_id}`", f"`{ids.get(e.policy_id, e.policy_id)}`") for e in result.errors
    )
    raise CedarError("; ".join(found) or "validation failed")


def build(policies: Mapping[str, pst.Template]) -> Handle:
    """A policy set under the ids given. Raises CedarError."""
    named = {key: dataclasses.replace(policy, id=key) for key, policy in policies.items()}
    try:
        return Handle.from_pst(pst.PolicySet(templates={}, static_policies=named, template_links=()))
    except (ValueError, TypeError) as error:
        raise CedarError(str(error)) from error


def extended(base: Handle, text: str, schema: Schema) -> Handle:
    """`base` with the policies of `text`, validated. Raises CedarError."""
    if not text:
        return base
    validate(text, schema)
    try:
        return base.with_added_str(text)
    except ValueError as error:
        raise CedarError(str(error)) from error


def entities(items: Sequence[Mapping[str, Any]], schema: Schema) -> Entities:
    """Entities in Cedar's JSON form, validated. Raises CedarError."""
    try:
        return Entities.from_json_str(msgspec.json.encode(items).decode(), schema)
    except ValueError as error:
        raise CedarError(str(error)) from error


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """Who does what to which resource; ids are plain text, `entities` knows the resource and what it lies in."""

    agent: str
    action: str
    resource: str
    entities: Entities


def ask(handle: Handle, question: Question, context: bytes, schema: Schema) -> Verdict:
    """Put a question; `context` is JSON. Raises CedarError when Cedar cannot be asked at all."""
    request = {
        "principal": {"type": "Agent", "id": question.agent},
        "action": {"type": "Action", "id": question.action},
        "resource": {"type": "Resource", "id": question.resource},
        "context": context.decode(),
    }
    try:
        result = cedarpy.is_authorized(request, handle, question.entities, schema)
    except ValueError as error:
        raise CedarError(str(error)) from error
    errors = tuple(result.diagnostics.errors)
    if result.decision is cedarpy.Decision.NoDecision:
        return Verdict(False, (), errors or ("no decision",))
    ids = result.diagnostics.id_annotations_by_reason
    reasons = tuple(sorted(ids.get(reason, reason) for reason in result.diagnostics.reasons))
    return Verdict(result.decision is cedarpy.Decision.Allow and not errors, reasons, errors)
