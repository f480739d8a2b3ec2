"""The API against its own description: requests that Schemathesis makes of it, right ones and wrong ones, over real connections.

Whatever comes, the answer is one that the document describes, and never a fault of the server's own. Examples are bounded, and the
same each time.
"""

import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.console.conftest import URL, Background, Served

from interlock.console import httpsig
from interlock.console.openapi import document
from interlock.console.operations import Access
from interlock.console.routes import OPERATIONS
from interlock.testing.signing import key_of

EXAMPLES, FEW = 20, 5
DOCUMENT = document(OPERATIONS, "1")
SCHEMA = schemathesis.openapi.from_dict(
    {
        **DOCUMENT,
        # Who asks is the tests' affair; else half of what is made wrong would be the credentials.
        "paths": {
            path: {method: {**op, "security": []} for method, op in item.items()}
            for path, item in DOCUMENT["paths"].items()
        },
    }
)
OF = {op.id: op for op in OPERATIONS}
CONFORMS: list[CheckFunction] = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class Running:
    """A server, what is there on it, and how cases are sent to it."""

    def __init__(self, folder: Path) -> None:
        self._background = Background(folder, self._prepare)
        self.served = self._background.served
        self.session = requests.Session()

    async def _prepare(self, served: Served) -> None:
        self.held = (await served.held()).id
        over = await served.send([["delete_like", "row/02"]])
        assert over.change is not None
        self.over = over.change.id
        await served.post(f"/api/v1/changes/{self.over}/withdraw", {})
        self.applied = (await served.applied()).id
        self.grant = (await served.get("/api/v1/grants"))["grants"][-1]["id"]
        await served.runtime.sign()

    def stop(self) -> None:
        self.session.close()
        self._background.stop()

    def send(self, case: "Case[Any]", who: str) -> requests.Response:
        """A case, sent as an admin who signs it, as an agent, or as nobody."""
        given = case.as_transport_kwargs(base_url=f"http://{self.served.host}:{self.served.port}")
        names = ("method", "url", "headers", "params", "data", "json", "files")
        prepared = requests.Request(**{name: given[name] for name in names if name in given}).prepare()
        for name in ("Authorization", "Signature", "Signature-Input", "Content-Digest"):
            prepared.headers.pop(name, None)
        if who == "agent":
            prepared.headers["Authorization"] = f"Bearer {self.served.tokens['fixer']}"
        if who == "admin":
            prepared.headers.update(self._signed(prepared))
        return self.session.send(prepared, timeout=30, allow_redirects=False)

    def _signed(self, prepared: requests.PreparedRequest) -> Mapping[str, str]:
        body = prepared.body or b""
        assert prepared.method is not None
        assert isinstance(body, str | bytes)
        return httpsig.sign(
            prepared.method,
            URL + prepared.path_url,
            body.encode() if isinstance(body, str) else body,
            keyid="adm",
            key=key_of("adm"),
            now=int(time.time()),
            nonce=secrets.token_urlsafe(24),
        )

    def path(self, op_id: str) -> dict[str, str]:
        """Things that are there, so that requests get beyond the path."""
        change = self.over if op_id == "ownChange" else self.applied if "evert" in op_id else self.held
        known = {"id": change, "name": "shop", "path": "entries/000.p/1"}
        if op_id == "revokeGrant":
            known["id"] = self.grant
        for part, name in (("Person", "bob"), ("Agent", "other"), ("freeze", "staging"), ("thaw", "staging")):
            if part in op_id:
                known["name"] = name
        return {name: known[name] for name in OF[op_id].parameters}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running(tmp_path_factory.mktemp("served"))
    yield made
    made.stop()


def tried(
    running: Running, op_id: str, who: str, mode: GenerationMode, examples: int, **fixed: Any
) -> set[int]:
    """Send examples of an operation and check what is answered; returns the statuses that there were."""
    operation = SCHEMA.find_operation_by_id(op_id)
    seen: set[int] = set()
    wrong = mode is GenerationMode.NEGATIVE
    checks = [*CONFORMS, negative_data_rejection] if wrong and who == "admin" else CONFORMS

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode, **fixed))
    def run(case: "Case[Any]") -> None:
        response = running.send(case, who)
        seen.add(response.status_code)
        assert response.status_code < 500 or response.status_code == 503, response.text
        case.validate_response(response, checks=checks)

    run()
    return seen


by_id = pytest.mark.parametrize("op_id", list(OF))


NOT_MADE = {"getBreakGlass", "getBreaker", "revokePasskey", "dropMessage"}
"""About things that this server has none of; `test_openapi` makes them."""


@by_id
def test_right_requests_of_an_admin(running: Running, op_id: str) -> None:
    path = running.path(op_id)
    seen = tried(
        running,
        op_id,
        "admin",
        GenerationMode.POSITIVE,
        EXAMPLES,
        **({"path_parameters": path} if path else {}),
    )
    assert 401 not in seen, "a request that was signed came out as another one"
    if OF[op_id].access is Access.AGENT:
        assert seen == {404}
    elif OF[op_id].body is None:
        assert seen & ({404} if op_id in NOT_MADE else {200, 422}), seen


@by_id
def test_right_requests_about_anything(running: Running, op_id: str) -> None:
    if OF[op_id].parameters:
        tried(running, op_id, "admin", GenerationMode.POSITIVE, EXAMPLES)


def can_be_wrong(op_id: str) -> bool:
    """Whatever stands in a path is text, and so never of the wrong form."""
    return OF[op_id].body is not None or bool(OF[op_id].query.__struct_fields__)


@pytest.mark.parametrize("op_id", [op_id for op_id in OF if can_be_wrong(op_id)])
def test_wrong_requests_of_an_admin(running: Running, op_id: str) -> None:
    tried(running, op_id, "admin", GenerationMode.NEGATIVE, EXAMPLES)


@by_id
@pytest.mark.parametrize("who", ["nobody", "agent"])
def test_requests_of_others(running: Running, op_id: str, who: str) -> None:
    """Whoever may not ask learns nothing, whatever the request is like."""
    op, path = OF[op_id], running.path(op_id)
    more = {"path_parameters": path} if path else {}
    seen = tried(running, op_id, who, GenerationMode.POSITIVE, FEW, **more)
    if can_be_wrong(op_id):
        # 405: what is made wrong may be the method.
        seen |= tried(running, op_id, who, GenerationMode.NEGATIVE, FEW) - {405}
    if who == "nobody" and op.access is not Access.PUBLIC:
        assert seen == {401}
    if who == "agent" and op.access in (Access.PERSON, Access.ADMIN):
        assert seen == {404}


def test_faults_would_be_found(running: Running) -> None:
    """An answer that the document does not describe is one that these tests refuse."""
    operation = SCHEMA.find_operation_by_id("listChanges")
    case = operation.Case()
    response = running.send(case, "admin")
    case.validate_response(response, checks=CONFORMS)
    response._content = b'{"changes": 1}'
    with pytest.raises(FailureGroup, match="distinct failure"):
        case.validate_response(response, checks=CONFORMS)
    response = running.send(case, "admin")
    response.status_code = 418
    with pytest.raises(FailureGroup, match="distinct failure"):
        case.validate_response(response, checks=CONFORMS)
