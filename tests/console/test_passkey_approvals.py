"""Approvals by passkey: what holds, and every way in which one must not (P4). All that is refused is in the ledger."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.console.conftest import Api, enrolled, logged_in, site_of

from interlock.control.deciding import shown
from interlock.control.deciding.passkey import Site, to_base64url
from interlock.model.change import Assertion, Change, ChangeState, Statement, Verdict
from interlock.model.errors import Conflict, Rejected
from interlock.testing.passkey import PRESENT, SoftPasskey

pytestmark = pytest.mark.anyio


async def words_for(api: Api, change: Change, person: str, verdict: Verdict = Verdict.APPROVE) -> Statement:
    """What a page has signed: with the digest of the text that it shows."""
    await api.runtime.changes.opened(change.id, person)
    words = await api.runtime.changes.statement(change.id, person, verdict)
    view = await api.runtime.changes.show(change.id)
    text = shown.text_of(view.change, view.statements, words)
    return msgspec.structs.replace(words, shown=shown.digest(text))


async def refusals(api: Api) -> list[str]:
    entries = [json.loads(e) for e in await api.runtime.store.entries(0, 10_000)]
    return [e["body"]["why"] for e in entries if e["kind"] == "approval.refused"]


async def test_two_passkeys_approve(api: Api) -> None:
    change = await api.held()
    for name in ("dora", "emil"):
        key = await enrolled(api, name, "sre")
        assertion, signature = key.sign(words := await words_for(api, change, name))
        spoken = await api.runtime.changes.speak(words, signature, assertion)
    assert spoken.change.state is ChangeState.APPROVED
    assert await refusals(api) == []


async def test_over_the_api_with_a_session(api: Api) -> None:
    """As the page does it; the answer shows who has approved."""
    change = await api.held()
    key = await enrolled(api, "dora", "sre")
    headers = await logged_in(api, key)
    words = await words_for(api, change, "dora")
    assertion, signature = key.sign(words)
    body = {
        "statement": msgspec.to_builtins(words),
        "signature": signature,
        "assertion": msgspec.to_builtins(assertion),
    }
    path = f"/api/v1/changes/{change.id}/approvals"
    assert (
        await api.tcp.post(path, json=body, headers={**headers, "origin": "http://evil.example"})
    ).status_code == 403
    assert (await api.tcp.post(path, json=body, headers={"cookie": headers["cookie"]})).status_code == 403
    answer = await api.tcp.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["quorums"][0]["given"] == ["dora"]


Forged = tuple[Statement, Assertion, str]
Trick = Callable[[Api, Change, SoftPasskey], Awaitable[Forged]]


async def _signed(api: Api, change: Change, key: SoftPasskey, *, alter: Any = None, **more: Any) -> Forged:
    words = await words_for(api, change, "dora")
    assertion, signature = key.sign(words, **more)
    return (alter(words) if alter else words), assertion, signature


async def changed_content(api: Api, change: Change, key: SoftPasskey) -> Forged:
    return await _signed(api, change, key, alter=lambda w: msgspec.structs.replace(w, subject="0" * 64))


async def changed_reason(api: Api, change: Change, key: SoftPasskey) -> Forged:
    return await _signed(api, change, key, alter=lambda w: msgspec.structs.replace(w, reason="more"))


async def another_text(api: Api, change: Change, key: SoftPasskey) -> Forged:
    words = msgspec.structs.replace(await words_for(api, change, "dora"), shown=shown.digest("harmless"))
    return words, *key.sign(words)


async def no_text(api: Api, change: Change, key: SoftPasskey) -> Forged:
    words = msgspec.structs.replace(await words_for(api, change, "dora"), shown=msgspec.UNSET)
    return words, *key.sign(words)


async def of_another_change(api: Api, change: Change, key: SoftPasskey) -> Forged:
    other = await api.send([["delete_like", "row/00"]])
    assertion, signature = key.sign(await words_for(api, other.change, "dora"))  # type: ignore[arg-type]
    return await words_for(api, change, "dora"), assertion, signature


async def a_login(api: Api, change: Change, key: SoftPasskey) -> Forged:
    assertion, signature = key.assertion(b"c" * 32)
    return await words_for(api, change, "dora"), assertion, signature


async def not_verified(api: Api, change: Change, key: SoftPasskey) -> Forged:
    return await _signed(api, change, key, flags=PRESENT)


async def another_origin(api: Api, change: Change, key: SoftPasskey) -> Forged:
    return await _signed(api, change, key, origin="http://localhost:9999")


async def another_site(api: Api, change: Change, key: SoftPasskey) -> Forged:
    key.site = Site("evil.example", key.site.origin)
    return await _signed(api, change, key)


async def in_a_frame(api: Api, change: Change, key: SoftPasskey) -> Forged:
    return await _signed(api, change, key, crossOrigin=True)


async def a_registration(api: Api, change: Change, key: SoftPasskey) -> Forged:
    return await _signed(api, change, key, type="webauthn.create")


async def anothers_passkey(api: Api, change: Change, key: SoftPasskey) -> Forged:
    other = await enrolled(api, "emil", "sre")
    return await _signed(api, change, other)


async def a_strange_passkey(api: Api, change: Change, key: SoftPasskey) -> Forged:
    return await _signed(api, change, SoftPasskey(site_of(api)))


async def an_old_count(api: Api, change: Change, key: SoftPasskey) -> Forged:
    await logged_in(api, key)
    key.count -= 1
    return await _signed(api, change, key)


async def a_count_that_went_back_to_zero(api: Api, change: Change, key: SoftPasskey) -> Forged:
    await logged_in(api, key)
    key.count, key.counts = 0, False
    return await _signed(api, change, key)


async def revoked(api: Api, change: Change, key: SoftPasskey) -> Forged:
    await api.runtime.enrolments.revoke("dora", to_base64url(key.id), by="person/ann")
    return await _signed(api, change, key)


async def a_cut_signature(api: Api, change: Change, key: SoftPasskey) -> Forged:
    words, assertion, signature = await _signed(api, change, key)
    return words, assertion, signature[:-6]


async def as_a_signing_key(api: Api, change: Change, key: SoftPasskey) -> Forged:
    """Without an assertion it is a signature of a key that the person doesn't have."""
    words, _, signature = await _signed(api, change, key)
    return words, None, signature  # type: ignore[return-value]


TRICKS: list[Trick] = [
    changed_content, changed_reason, another_text, no_text, of_another_change, a_login, not_verified, another_origin, another_site,
    in_a_frame, a_registration, anothers_passkey, a_strange_passkey, an_old_count, a_count_that_went_back_to_zero, revoked,
    a_cut_signature, as_a_signing_key,
]  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
async def test_what_must_not_hold_is_refused_and_recorded(api: Api, trick: Trick) -> None:
    change = await api.held()
    key = await enrolled(api, "dora", "sre")
    words, assertion, signature = await trick(api, change, key)
    with pytest.raises(Rejected):
        await api.runtime.changes.speak(words, signature, assertion)
    assert len(await refusals(api)) == 1
    assert not (await api.runtime.changes.show(change.id)).approvals


async def test_nothing_counts_twice_even_from_keys_that_do_not_count(api: Api) -> None:
    change = await api.held()
    key = await enrolled(api, "dora", "sre", counts=False)
    words = await words_for(api, change, "dora")
    assertion, signature = key.sign(words)
    await api.runtime.changes.speak(words, signature, assertion)
    with pytest.raises(Conflict, match="has spoken about"):
        await api.runtime.changes.speak(words, signature, assertion)
    assert await refusals(api) == [f"dora has spoken about {change.id} already"]
    (tally,) = (await api.runtime.changes.show(change.id)).tallies
    assert tally.given == ("dora",)


async def test_what_is_shown_is_what_is_there_now(api: Api) -> None:
    """The text of one holding is not that of the next: its nonce is in it."""
    change = await api.held()
    key = await enrolled(api, "dora", "sre")
    words = await words_for(api, change, "dora")
    await api.runtime.changes.withdraw(change.id, "no", by="uid/0")
    again = await api.held()
    assertion, signature = key.sign(old := msgspec.structs.replace(words, change=again.id))
    with pytest.raises(Rejected, match="not this change as it is now"):
        await api.runtime.changes.speak(old, signature, assertion)


async def test_a_revert_by_passkey(api: Api) -> None:
    change = await api.applied()
    key = await enrolled(api, "dora", "sre")
    service = api.runtime.changes
    words = await service.revert_statement(change.id, "dora")
    view = await service.show(change.id)
    words = msgspec.structs.replace(
        words, shown=shown.digest(shown.text_of(view.change, view.statements, words))
    )
    assertion, signature = key.sign(words)
    await service.revert(words, signature, assertion)
    assert (await service.get(change.id)).state is ChangeState.REVERTED
    again = await api.applied()
    with pytest.raises(Rejected):
        await service.revert(msgspec.structs.replace(words, change=again.id), signature, assertion)


async def test_the_owners_passkey_is_the_owner(api: Api) -> None:
    """Whatever they are called with it."""
    change = await api.held()
    key = SoftPasskey(site_of(api))
    secret = await api.runtime.enrolments.invite("olga", (), by="uid/0")
    options = await api.runtime.enrolments.options(secret)
    waits = await api.runtime.enrolments.register(secret, key.registration(options["challenge"]), "")
    await api.runtime.enrolments.confirm("olga", waits.code, by="uid/0")
    with pytest.raises(Rejected, match="owns the agent"):
        await words_for(api, change, "olga")
