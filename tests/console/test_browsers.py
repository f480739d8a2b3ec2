"""An address that an agent was told, opened by a person: it leads to the page of the same change, and tells nobody anything."""

import msgspec
import pytest
from tests.console.conftest import Api, bearer, enrolled, logged_in
from tests.console.visitors import HOST

from interlock.runtime.notify.words import Words
from interlock.sdk.connector import Held

pytestmark = pytest.mark.anyio

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PROGRAMS = [
    "",
    "*/*",
    "application/json",
    "application/json, text/html;q=0.9",
    "text/html;q=0, */*",
    "text/html;q=nan",
    "text/*",
]


async def test_what_an_agent_is_told_works_for_both(api: Api) -> None:
    """The agent by its token gets its change, people at a browser the page."""
    held = await api.send([["delete_like", "row/01"]])
    assert isinstance(held, Held)
    change = held.change
    told = api.runtime.core.link(change.id)
    assert told == f"http://127.0.0.1:8470/changes/{change.id}"
    path = told.removeprefix("http://127.0.0.1:8470")
    own = await api.tcp.get(path, headers={"accept": CHROMIUM, **bearer(api.tokens["fixer"])})
    assert own.json()["id"] == change.id, "a token is an agent's, whatever it accepts"
    headers = await logged_in(api, await enrolled(api, "dora", "sre"))
    answer = await api.tcp.get(path, headers={**headers, "accept": CHROMIUM})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/changes/{change.id}")
    page = await api.tcp.get(answer.headers["location"], headers={**headers, "host": HOST})
    assert page.status_code == 200
    assert change.id in page.text


async def test_what_people_are_told_is_the_page_itself(api: Api) -> None:
    change = await api.held()
    note = Words("http://127.0.0.1:8470", api.runtime.terms.quorums).held(change)
    assert note.link == f"http://127.0.0.1:8470/console/changes/{change.id}"


async def test_who_is_not_logged_in_logs_in_and_comes_back(api: Api) -> None:
    """By the loopback address, as it is told: passkeys belong to the name."""
    change = await api.held()
    answer = await api.tcp.get(f"/changes/{change.id}", headers={"accept": CHROMIUM})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/changes/{change.id}")
    named = await api.tcp.get(answer.headers["location"])
    assert (named.status_code, named.headers["location"]) == (
        307,
        f"http://localhost:8470/console/changes/{change.id}",
    )
    login = await api.tcp.get(f"/console/changes/{change.id}", headers={"host": HOST})
    assert login.headers["location"] == f"/console/login?to=/console/changes/{change.id}"


async def test_the_list_leads_to_the_list(api: Api) -> None:
    answer = await api.tcp.get("/changes", headers={"accept": CHROMIUM})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/changes")


@pytest.mark.parametrize("accept", PROGRAMS)
async def test_programs_get_no_page(api: Api, accept: str) -> None:
    change = await api.held()
    answer = await api.tcp.get(f"/changes/{change.id}", headers={"accept": accept})
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"


async def test_nothing_is_told_of_what_is_there(api: Api) -> None:
    """Whether there is such a change decides nothing, and the address is made of a well-formed id alone."""
    change = await api.held()
    there = await api.tcp.get(f"/changes/{change.id}", headers={"accept": CHROMIUM})
    nowhere = await api.tcp.get("/changes/CHG-00000000", headers={"accept": CHROMIUM})
    assert there.status_code == nowhere.status_code == 303
    assert there.headers["location"].replace(change.id, "CHG-00000000") == nowhere.headers["location"]
    for odd in ("x", "%2F%2Fevil.example", "..%2F..%2Fevil", "CHG-7K3F9Q2M%0d%0aSet-Cookie:x"):
        answer = await api.tcp.get(f"/changes/{odd}", headers={"accept": CHROMIUM, "host": "evil.example"})
        assert answer.status_code in (401, 404), odd
        assert "location" not in answer.headers


async def test_an_id_is_found_however_it_is_typed(api: Api) -> None:
    change = await api.held()
    answer = await api.tcp.get(f"/changes/{change.id.lower()}", headers={"accept": CHROMIUM})
    assert answer.headers["location"] == f"/console/changes/{change.id}"


async def test_only_what_is_read_has_a_page(api: Api) -> None:
    change = await api.held()
    answer = await api.tcp.post(f"/changes/{change.id}/withdraw", json={}, headers={"accept": CHROMIUM})
    assert answer.status_code == 401
    person = await api.tcp.get(f"/api/v1/changes/{change.id}", headers={"accept": CHROMIUM})
    assert person.status_code == 401


async def test_the_admin_socket_has_no_pages(api: Api) -> None:
    change = await api.held()
    answer = await api.admin.get(f"/changes/{change.id}", headers={"accept": CHROMIUM})
    assert answer.status_code == 404


async def test_the_document_says_so(api: Api) -> None:
    document = msgspec.json.decode((await api.tcp.get("/openapi.json")).content)
    for path, methods in document["paths"].items():
        for method, shown in methods.items():
            assert ("303" in shown["responses"]) == (
                method == "get" and path in ("/changes", "/changes/{id}")
            ), path
