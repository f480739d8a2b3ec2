"""Languages that connectors read for each other."""

from typing import Any, cast

import pytest

from interlock.model.errors import Misconfigured
from interlock.model.operation import Action, Operation
from interlock.runtime.targets import connectors
from interlock.runtime.targets.languages import Languages
from interlock.sdk.connector import Connector
from interlock.testing import suite


class Reader:
    """A connector as far as languages are concerned."""

    def __init__(self, language: str = "") -> None:
        if language:
            self.language = language

    def reads_text(self, text: str) -> tuple[Operation, ...]:
        return (Operation(Action.READ, getattr(self, "language", "")),)


def languages(found: dict[str, Any]) -> tuple[Languages, list[str]]:
    asked: list[str] = []

    def find(name: str) -> Connector | None:
        asked.append(name)
        if found[name] is None:
            raise Misconfigured("its libraries aren't installed")
        return cast("Connector", found[name])

    return Languages(lambda: list(found), find), asked


def test_one_is_found_by_its_word_and_nothing_is_loaded_before() -> None:
    read, asked = languages({"a": Reader(), "b": Reader("latin"), "c": Reader("latin")})
    assert asked == []
    assert read["latin"]("x")[0].verb == "latin"
    assert read.get("greek") is None
    assert asked == ["a", "b", "c"], "each is loaded once"


def test_what_cannot_be_loaded_brings_no_language() -> None:
    read, _ = languages({"broken": None, "b": Reader("latin")})
    assert list(read) == ["latin"]


def test_installed_connectors_are_listed_by_their_folders() -> None:
    assert set(suite.names()) <= set(connectors.installed())


@pytest.mark.parametrize("name", suite.names())
def test_a_connector_with_a_language_reads_it(name: str) -> None:
    connector = connectors.load(name)
    word = getattr(connector, "language", "")
    if word:
        found = Languages()[word]("\0 no language has this \0")
        assert {operation.action for operation in found} == {Action.UNKNOWN}
