"""The OpenAPI 3.1 document, written from the table of operations and the types they name."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from interlock.console.operations import Access, Nothing, Operation
from interlock.console.problems import CODES
from interlock.console.schemas import PROBLEM_MEDIA, Problem
from interlock.console.schemas.governed import Held

_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.PUBLIC: [],
    Access.AGENT: [{"agentToken": []}],
    Access.PERSON: [{"personSignature": []}],
    Access.ADMIN: [{"personSignature": []}],
}
_SCHEMES = {
    "agentToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "The agent's token. It opens nothing but the agent's own changes.",
    },
    "personSignature": {
        "type": "apiKey",
        "in": "header",
        "name": "Signature",
        "description": "An Ed25519 signature of the request by a person's key (RFC 9421): Signature-Input, Signature and "
        "Content-Digest. On the admin socket the peer's user id takes its place.",
    },
}


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The whole document as JSON builtins."""
    types = [t for op in operations for t in (op.answer, op.body) if t is not None]
    queries = [field.type for op in operations for field in msgspec.structs.fields(op.query)]
    wanted = [*types, *queries, Problem, Held]
    schemas, components = msgspec.json.schema_components(wanted, ref_template="#/components/schemas/{name}")
    schema_of = {repr(kind): schema for kind, schema in zip(wanted, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for op in operations:
        paths.setdefault(op.openapi_path, {})[op.method.lower()] = _operation(op, schema_of)
    shown = {
        "openapi": "3.1.0",
        "info": {
            "title": "Interlock",
            "version": version,
            "summary": "Changes that agents ask for, and what people say of them",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SCHEMES},
    }
    # Defaults of tuples come out as tuples, which are no JSON.
    return msgspec.json.decode(msgspec.json.encode(shown), type=dict[str, Any])


def _operation(op: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "operationId": op.id,
        "summary": op.summary,
        "security": _SECURITY[op.access],
        "responses": _responses(op, schema_of),
    }
    if op.tag:
        shown["tags"] = [op.tag]
    if parameters := [*map(_path_parameter, op.parameters), *_query_parameters(op, schema_of)]:
        shown["parameters"] = parameters
    if op.body is not None:
        content = {"application/json": {"schema": schema_of[repr(op.body)]}}
        shown["requestBody"] = {"required": True, "content": content}
    return shown


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters(op: Operation, schema_of: dict[str, Any]) -> list[dict[str, Any]]:
    if op.query is Nothing:
        return []
    return [
        {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "schema": schema_of[repr(field.type)],
        }
        for field in msgspec.structs.fields(op.query)
    ]


def _responses(op: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    schema = schema_of[repr(op.answer)] if op.answer is not None else {"type": "string"}
    content = {op.media: {"schema": schema}}
    shown = {str(s): {"description": HTTPStatus(s).phrase, "content": content} for s in (op.status, *op.also)}
    if op.proposes:
        held = {"application/json": {"schema": schema_of[repr(Held)]}}
        shown["202"] = {"description": "Held for admins, as a proposal", "content": held}
    if op.page:
        shown["303"] = {
            "description": "The console's page of it, for who asks for `text/html` without a token"
        }
    problem = {PROBLEM_MEDIA: {"schema": schema_of[repr(Problem)]}}
    for status in sorted({status for status, _ in CODES.values()}):
        if str(status) not in shown and (op.access is not Access.PUBLIC or status not in (401, 403)):
            shown[str(status)] = {"description": HTTPStatus(status).phrase, "content": problem}
    return shown
