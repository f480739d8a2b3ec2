"""Enrolment by link and login by passkey: once each, in time, by who it is for, and recorded."""

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.console.conftest import ORIGIN, Api, enrol, enrolled, logged_in, site_of

from interlock.control.deciding.passkey import Site, from_base64url, to_base64url
from interlock.model.errors import NotFound, Rejected
from interlock.model.people import TicketKind
from interlock.runtime.service.people import enrolment, entrance
from interlock.testing.passkey import PRESENT, SoftPasskey

pytestmark = pytest.mark.anyio


async def entries(api: Api, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(e) for e in await api.runtime.store.entries(0, 10_000)]
    return [e["body"] for e in found if e["kind"] == kind]


# ---- Enrolment


async def test_nobody_is_enrolled_before_somebody_confirms(api: Api) -> None:
    waits = await enrol(api, "dora", "sre")
    assert await api.runtime.store.read(lambda tx: tx.person("dora")) is None
    with pytest.raises(Rejected, match="no enrolled person"):
        await logged_in(api, SoftPasskey(site_of(api)))
    with pytest.raises(Rejected, match="has this code"):
        await api.runtime.enrolments.confirm("dora", "AAAA-AAAA", by="uid/0")
    with pytest.raises(Rejected, match="somebody else"):
        await api.runtime.enrolments.confirm("dora", waits.code, by="person/dora")
    made = await api.runtime.enrolments.confirm("dora", waits.code.lower(), by="person/ann")
    assert (made.groups, len(made.passkeys), made.public_key) == (("sre",), 1, "")
    with pytest.raises(Rejected, match="has this code"):
        await api.runtime.enrolments.confirm("dora", waits.code, by="person/ann")
    (body,) = [e for e in await entries(api, "person") if e["what"] == "added" and e["person"] == "dora"]
    assert body["passkeys"] == [waits.key.public_key]


async def test_a_link_is_good_once(api: Api) -> None:
    service, site = api.runtime.enrolments, site_of(api)
    secret = await service.invite("dora", ["sre"], by="uid/0")
    options = await service.options(secret)
    await service.register(secret, SoftPasskey(site).registration(options["challenge"]), "")
    with pytest.raises(Rejected, match="was used"):
        await service.register(secret, SoftPasskey(site).registration(options["challenge"]), "")
    with pytest.raises(Rejected, match="was used"):
        await service.options(secret)


async def test_a_link_ends(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment, "INVITED_FOR", timedelta(0))
    secret = await api.runtime.enrolments.invite("dora", ["sre"], by="uid/0")
    with pytest.raises(Rejected, match="older than a quarter"):
        await api.runtime.enrolments.options(secret)


async def test_its_secret_is_kept_nowhere(api: Api) -> None:
    secret = await api.runtime.enrolments.invite("dora", ["sre"], by="uid/0")
    await enrolled(api, "emil", "sre")
    kept = await api.runtime.store.read(lambda tx: tx.tickets(TicketKind.INVITATION))
    told = json.dumps([json.loads(e) for e in await api.runtime.store.entries(0, 10_000)])
    assert kept
    assert secret not in str(kept) + told


@pytest.mark.parametrize("groups", [[], ["sre"]])
async def test_groups_are_for_who_is_new(api: Api, groups: list[str]) -> None:
    person = "ann" if groups else "nobody-known"
    with pytest.raises(Rejected, match=r"invite without groups|say which groups"):
        await api.runtime.enrolments.invite(person, groups, by="uid/0")


@pytest.mark.parametrize(
    "said",
    [
        {"origin": "http://evil.example"},
        {"type": "webauthn.get"},
        {"challenge": to_base64url(b"another challenge of ours")},
        {"crossOrigin": True},
        {"topOrigin": "http://evil.example"},
        {"flags": PRESENT},
    ],
    ids=str,
)
async def test_a_registration_that_must_not_hold(api: Api, said: dict[str, Any]) -> None:
    service = api.runtime.enrolments
    secret = await service.invite("dora", ["sre"], by="uid/0")
    options = await service.options(secret)
    with pytest.raises(Rejected, match="not accepted"):
        await service.register(
            secret, SoftPasskey(site_of(api)).registration(options["challenge"], **said), ""
        )
    assert not await service.waiting()


async def test_a_registration_for_another_site(api: Api) -> None:
    service, site = api.runtime.enrolments, site_of(api)
    secret = await service.invite("dora", ["sre"], by="uid/0")
    options = await service.options(secret)
    key = SoftPasskey(Site("evil.example", site.origin))
    with pytest.raises(Rejected, match="for another site"):
        await service.register(secret, key.registration(options["challenge"]), "")


@pytest.mark.parametrize(
    "garbage", [{}, {"response": 1}, {"response": {"clientDataJSON": "!"}}, {"id": "a" * 99}]
)
async def test_garbage_is_refused(api: Api, garbage: dict[str, Any]) -> None:
    service = api.runtime.enrolments
    secret = await service.invite("dora", ["sre"], by="uid/0")
    await service.options(secret)
    with pytest.raises(Rejected):
        await service.register(secret, garbage, "")


async def test_a_passkey_belongs_to_one_person(api: Api) -> None:
    key = await enrolled(api, "dora", "sre")
    with pytest.raises(Rejected, match="enrolled already"):
        await enrol(api, "emil", "sre", key=key)


async def test_two_links_for_one_key(api: Api) -> None:
    """Both wait; the second one to be confirmed finds it taken."""
    key = SoftPasskey(site_of(api))
    dora = await enrol(api, "dora", "sre", key=key)
    emil = await enrol(api, "emil", "sre", key=key)
    await api.runtime.enrolments.confirm("dora", dora.code, by="uid/0")
    with pytest.raises(Rejected, match=r"has this code|already"):
        await api.runtime.enrolments.confirm("emil", emil.code, by="uid/0")


async def test_another_passkey_of_somebody_enrolled(api: Api) -> None:
    waits = await enrol(api, "ann")
    made = await api.runtime.enrolments.confirm("ann", waits.code, by="person/bob")
    assert made.public_key
    assert [key.label for key in made.passkeys] == ["laptop"]


# ---- Login


async def answer(api: Api, key: SoftPasskey, **more: Any) -> entrance.Entered:
    options = api.runtime.entrance.login_options()
    assertion, signature = key.assertion(from_base64url(options["challenge"]), **more)
    return await api.runtime.entrance.login(assertion, signature)


async def test_who_logs_in_is_in_until_they_leave(api: Api) -> None:
    key = await enrolled(api, "dora", "sre")
    entered = await answer(api, key)
    found = await api.runtime.entrance.session(entered.secret)
    assert found is not None
    assert found.person == "dora"
    await api.runtime.entrance.leave(entered.secret)
    assert await api.runtime.entrance.session(entered.secret) is None
    (said,) = await entries(api, "login")
    assert (said["person"], said["done"]) == ("dora", True)
    assert entered.secret not in str(await api.runtime.store.entries(0, 10_000))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"flags": PRESENT}, "did not verify its user"),
        ({"origin": "http://evil.example"}, "another site"),
        ({"crossOrigin": True}, "frame of another site"),
        ({"type": "webauthn.create"}, "not valid"),
    ],
    ids=str,
)
async def test_logins_that_must_not_hold(api: Api, more: dict[str, Any], why: str) -> None:
    key = await enrolled(api, "dora", "sre")
    with pytest.raises(Rejected, match=why):
        await answer(api, key, **more)
    (said,) = await entries(api, "login")
    assert said["done"] is False


async def test_an_answer_is_good_once(api: Api) -> None:
    """Also of a passkey that doesn't count."""
    key = await enrolled(api, "dora", "sre", counts=False)
    options = api.runtime.entrance.login_options()
    assertion, signature = key.assertion(from_base64url(options["challenge"]))
    await api.runtime.entrance.login(assertion, signature)
    with pytest.raises(Rejected, match="used already"):
        await api.runtime.entrance.login(assertion, signature)


async def test_a_challenge_of_somebody_elses(api: Api) -> None:
    key = await enrolled(api, "dora", "sre")
    assertion, signature = key.assertion(b"not of ours")
    with pytest.raises(Rejected, match="not begun here"):
        await api.runtime.entrance.login(assertion, signature)


async def test_a_challenge_ends(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await enrolled(api, "dora", "sre")
    options = api.runtime.entrance.login_options()
    assertion, signature = key.assertion(from_base64url(options["challenge"]))
    monkeypatch.setattr(entrance, "ANSWERED_WITHIN", timedelta(seconds=-60))
    with pytest.raises(Rejected, match="too long ago"):
        await api.runtime.entrance.login(assertion, signature)


async def test_revoking_and_disabling_end_sessions(api: Api) -> None:
    dora, emil = await enrolled(api, "dora", "sre"), await enrolled(api, "emil", "sre")
    sessions = [(await answer(api, key)).secret for key in (dora, emil)]
    await api.runtime.enrolments.revoke("dora", to_base64url(dora.id), by="person/ann")
    await api.runtime.people.disable("emil", by="person/ann")
    assert [await api.runtime.entrance.session(secret) for secret in sessions] == [None, None]
    for key in (dora, emil):
        with pytest.raises(Rejected):
            await answer(api, key)
    with pytest.raises(NotFound):
        await api.runtime.enrolments.revoke("dora", to_base64url(dora.id), by="person/ann")


async def test_sessions_end_by_themselves(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await enrolled(api, "dora", "sre")
    secret = (await answer(api, key)).secret
    monkeypatch.setattr(entrance, "IDLE", timedelta(0))
    assert await api.runtime.entrance.session(secret) is None
    monkeypatch.setattr(entrance, "IDLE", timedelta(hours=1))
    assert await api.runtime.entrance.session(secret) is not None
    monkeypatch.setattr(entrance, "LASTS", timedelta(0))
    assert await api.runtime.entrance.session((await answer(api, key)).secret) is None


async def test_visitors_write_nothing(api: Api) -> None:
    """Whoever asks for a challenge a thousand times has left no trace."""
    before = await api.runtime.store.read(lambda tx: tx.ledger_size())
    for _ in range(50):
        told = await api.tcp.post(
            "http://localhost:8470/console/login/options",
            json={},
            headers={"origin": ORIGIN, "host": "localhost:8470"},
        )
        assert told.status_code == 200, told.text
    assert await api.runtime.store.read(lambda tx: tx.ledger_size()) == before
    assert not await api.runtime.store.read(lambda tx: tx.tickets(TicketKind.LOGIN))
