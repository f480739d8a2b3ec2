"""Governed mode begins: with two admins at least, once and for all, on every replica."""

import pytest
from tests.runtime.governing.conftest import SOCKET, House, Make

from interlock.model.errors import Misconfigured, Rejected
from interlock.model.proposal import Founder
from interlock.runtime.config.document import load
from interlock.runtime.governing import deciding
from interlock.testing.signing import public_key_of

pytestmark = pytest.mark.anyio
ANN_KEY, BEN_KEY = public_key_of("ann"), public_key_of("ben")


async def test_founders_are_admins_and_digests_are_recorded(house: House) -> None:
    runtime = house.runtime
    assert runtime.mode == "try-out"
    founded = await runtime.governing.govern([Founder("ann", ANN_KEY), Founder("ben", BEN_KEY)], by=SOCKET)
    assert runtime.mode == "governed"
    assert founded.admins == ("ann", "ben")
    assert (founded.people, founded.agents) == (("olga", "sam", "sue"), ("fixer",))
    (entry,) = await house.entries("governed")
    config = deciding.digest(deciding.deciding(load(house.file).source))
    assert entry == {
        "what": "begun", "admins": ["ann", "ben"], "by": SOCKET, "policies": founded.policies, "config": config,
    }  # fmt: skip
    assert (house.folder / "var" / "governed").read_text().strip() == runtime.store.origin
    people = await runtime.people.list()
    assert [p.name for p in people if "admin" in p.groups] == ["ann", "ben"]


async def test_a_founder_may_be_new_or_of_another_group_so_far(house: House) -> None:
    await house.runtime.people.disable("ann", by=SOCKET)
    await house.runtime.people.disable("ben", by=SOCKET)
    founders = [Founder("new", public_key_of("new")), Founder("sam", public_key_of("sam"))]
    await house.runtime.governing.govern(founders, by=SOCKET)
    new, sam = await house.person("new"), await house.person("sam")
    assert new is not None
    assert (new.groups, new.counts_from) == (("admin",), None)
    assert sam is not None
    assert sam.groups == ("sre", "admin")


@pytest.mark.parametrize(
    ("founders", "why"),
    [
        ([("ann", ANN_KEY)], "2 founding admins"),
        ([], "2 founding admins"),
        ([("ann", ANN_KEY), ("ann", ANN_KEY)], "2 founding admins"),
        ([("ann", ANN_KEY), ("new", ANN_KEY)], "key of their own"),
        ([("ann", ANN_KEY), ("new", public_key_of("sam"))], "sam's already"),
        ([("ann", ANN_KEY), ("ben", public_key_of("new"))], "with another key"),
        ([("ann", ANN_KEY), ("NO!", public_key_of("new"))], "a name of"),
        ([("ann", ANN_KEY), ("new", "AAAA")], "32 bytes"),
        ([("ann", ANN_KEY), ("new", public_key_of("new"))], "ben is an admin as well"),
    ],
)
async def test_what_is_no_foundation(house: House, founders: list[tuple[str, str]], why: str) -> None:
    before = await house.entries("person", "governed")
    with pytest.raises(Rejected, match=why):
        await house.runtime.governing.govern([Founder(*f) for f in founders], by=SOCKET)
    assert house.runtime.mode == "try-out"
    assert await house.entries("person", "governed") == before


async def test_a_quorum_of_admins_that_founders_cannot_meet(make: Make) -> None:
    three = make(
        alter=lambda text: text.replace("quorums: {", "quorums: {two-admins: {count: 3, group: admin}, ")
    )
    await three.start()
    with pytest.raises(Rejected, match="asks for 3 admins"):
        await three.govern()
    await three.stop()
    other = make(
        alter=lambda text: text.replace("quorums: {", "quorums: {two-admins: {count: 2, group: boss}, ")
    )
    await other.start()
    with pytest.raises(Rejected, match="not in boss"):
        await other.govern()
    await other.stop()


async def test_there_is_no_second_beginning_and_no_way_back_but_a_proposal(governed: House) -> None:
    with pytest.raises(Rejected, match="already"):
        await governed.govern("ann", "ben", "sam")
    await governed.restart()
    assert governed.runtime.mode == "governed"
    ended = await governed.agree(governed.runtime.governing.end("trial over", by=SOCKET))
    assert ended.state.value == "applied"
    await governed.runtime.governing.files.adopt()
    assert governed.runtime.mode == "try-out"
    await governed.runtime.people.add("new", ["sre"], public_key_of("new"), by=SOCKET)
    assert [e["what"] for e in await governed.entries("governed")] == ["begun", "ended"]
    await governed.restart()
    assert governed.runtime.mode == "try-out"


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
async def test_replicas_notice_without_a_restart(
    make: Make, backend: str, request: pytest.FixtureRequest
) -> None:
    store = request.getfixturevalue("pg_store") if backend == "postgresql" else ""
    one = await make(store=store).start()
    two = await make(store=store).start()
    await one.furnish()
    await one.govern()
    # Whatever the other replica believes, the store decides.
    assert two.runtime.mode == "try-out"
    held = await two.held(two.runtime.people.add("new", ["sre"], public_key_of("new"), by=SOCKET))
    await two.runtime.core.directory.refresh()
    assert two.runtime.mode == "governed"
    await two.runtime.core.tasks.drain(10)
    assert (two.folder / "var" / "governed").exists()
    assert two.runtime.governing.files.problems == {}
    await one.speak(held, "ann")
    assert (await two.speak(held, "ben")).state.value == "applied"
    assert await one.person("new") is not None
    await one.stop()
    await two.stop()


async def test_another_store_does_not_bring_try_out_mode_back(governed: House) -> None:
    await governed.stop()
    governed.alter("interlock.db", "other.db")
    governed.new = True
    (governed.folder / "var" / "checkpoint").unlink(missing_ok=True)
    with pytest.raises(Misconfigured, match="was governed"):
        await governed.start()
    governed.alter("other.db", "interlock.db")
    (governed.folder / "var" / "checkpoint").unlink()
    await governed.start()
    assert governed.runtime.mode == "governed"


async def test_founding_is_for_the_servers_own_machine(house: House) -> None:
    body = {"admins": [{"name": "ann", "public_key": ANN_KEY}, {"name": "ben", "public_key": BEN_KEY}]}
    assert (await house.signed("POST", "/api/v1/govern", body, "ann")).status_code == 403
    assert house.runtime.mode == "try-out"
    async with house.by_socket() as client:
        assert (await client.post("/api/v1/govern", json=body)).json()["admins"] == ["ann", "ben"]
    assert house.runtime.mode == "governed"
