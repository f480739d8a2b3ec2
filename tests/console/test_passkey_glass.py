"""Break-glass by passkey, for one change and for a whole target: what holds, and every way in which one must not (P4). All that is
refused is in the ledger."""

import html
import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.console.conftest import CONFIG, MANY, Api, enrolled, logged_in
from tests.console.visitors import Visitor, main_of, visitor

from interlock.cli.signatures import SignatureCheck
from interlock.control.deciding import shown
from interlock.control.deciding.approval import rfc3339
from interlock.control.deciding.passkey import from_base64url, to_base64url
from interlock.model.change import Assertion, ChangeState, Statement
from interlock.model.errors import NotFound, Rejected
from interlock.model.operation import Action
from interlock.sdk.connector import Held, Permitted
from interlock.sdk.ports import Tx
from interlock.testing.passkey import PRESENT, SoftPasskey

pytestmark = pytest.mark.anyio

NAMED = CONFIG.replace(
    "break_glass: {people: [adm]}", "break_glass: {people: [adm, dora, olga], minutes: 10}"
)
TWO = NAMED.replace(
    "environment: production}", "environment: production}, till: {connector: toy, environment: staging}"
)
REASON = "the shop is down"


async def words_for(api: Api, person: str, target: str = "shop", **alter: str) -> Statement:
    """What the page of a target has signed: with the digest of the text that it shows."""
    words = await api.runtime.break_glass.statement(person, REASON, target=target)
    return shown_as(msgspec.structs.replace(words, **alter))


def shown_as(words: Statement, environment: str = "production") -> Statement:
    text = shown.text_of_target(words, environment)
    return msgspec.structs.replace(words, shown=shown.digest(text))


async def refusals(api: Api) -> list[str]:
    return [body["why"] for body in await entries(api, "approval.refused")]


async def entries(api: Api, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(e) for e in await api.runtime.store.entries(0, 10_000)]
    return [e["body"] for e in found if e["kind"] == kind]


def posted(words: Statement, assertion: Assertion, signature: str) -> dict[str, Any]:
    """As the page's script sends it."""
    return {
        "statement": msgspec.to_builtins(words),
        "signature": signature,
        "assertion": msgspec.to_builtins(assertion),
    }


# ---- the way of it


@pytest.mark.parametrize("api", [NAMED], indirect=True)
async def test_the_page_of_a_target_has_it_signed(api: Api) -> None:
    """The form, the exact text, the assertion, and what passes then; to the ledger, which verifies without the server."""
    key = await enrolled(api, "dora", "sre")
    dora = Visitor(api, await logged_in(api, key))
    page = await dora.read("/console/targets")
    assert 'action="/console/targets/shop/break-glass"' in page
    answer = await dora.post("/console/targets/shop/break-glass", reason=REASON)
    assert answer.status_code == 200, main_of(answer.text)
    raw = re.search(r'<pre id="exact"[^>]*>(.*?)</pre>', answer.text, re.DOTALL)
    given = re.search(r'<script type="application/json" id="statement">(.*?)</script>', answer.text)
    assert raw is not None
    assert given is not None
    text = html.unescape(raw[1])
    assert text.startswith("BREAK THE GLASS, ALONE, FOR EVERY CHANGE ON shop\nas dora, until ")
    assert f"because: {REASON}" in text
    words = msgspec.structs.replace(msgspec.json.decode(given[1], type=Statement), shown=shown.digest(text))
    sent = posted(words, *key.sign(words))
    forged = await api.tcp.post(
        "/api/v1/break-glass", json=sent, headers={**dora.headers, "origin": "http://evil.example"}
    )
    assert forged.status_code == 403
    made = await api.tcp.post("/api/v1/break-glass", json=sent, headers=dora.headers)
    assert made.status_code == 201, made.text
    passed = await api.send(MANY)
    assert isinstance(passed, Permitted)
    assert passed.change is not None
    assert passed.change.break_glass == made.json()["id"]
    stated = main_of(await dora.read("/console/targets"))
    assert "dora broke the glass for the whole target" in stated
    assert "unreviewed" in stated
    used = [body for body in await entries(api, "break_glass") if body["event"] == "used"]
    assert [body["person"] for body in used] == ["dora"]
    assert await checked(api) == [2]
    assert await refusals(api) == []


async def checked(api: Api) -> list[Any]:
    """What an offline check of the log says: the complaints, then how many signatures held."""
    check = SignatureCheck(api.runtime.store.origin)
    values = [json.loads(e) for e in await api.runtime.store.entries(0, 10_000)]
    return [*(what for n, value in enumerate(values) if (what := check(n, value))), 1 + check.checked]


@pytest.mark.parametrize("api", [NAMED], indirect=True)
async def test_one_change_by_passkey_verifies_in_the_log(api: Api) -> None:
    key = await enrolled(api, "dora", "sre")
    change = await api.held()
    words = await api.runtime.break_glass.statement("dora", REASON, change=change.id)
    view = await api.runtime.changes.show(change.id)
    text = shown.text_of(view.change, view.statements, words)
    words = msgspec.structs.replace(words, shown=shown.digest(text))
    assertion, signature = key.sign(words)
    _, after = await api.runtime.break_glass.use(words, signature, assertion)
    assert after is not None
    assert after.state is ChangeState.APPROVED
    assert await checked(api) == [2]


@pytest.mark.parametrize("api", [NAMED], indirect=True)
async def test_only_who_is_named_sees_the_form_and_may_use_it(api: Api) -> None:
    emil = await visitor(api, "emil", "sre")
    assert "break-glass" not in await emil.read("/console/targets")
    answer = await emil.post("/console/targets/shop/break-glass", reason=REASON)
    assert (answer.status_code, "not named" in main_of(answer.text)) == (422, True)
    dora = await visitor(api, "dora", "sre")
    assert (await dora.post("/console/targets/shop/break-glass", reason="  ")).status_code == 422
    assert (await dora.post("/console/targets/nowhere/break-glass", reason=REASON)).status_code == 404


@pytest.mark.parametrize("api", [NAMED], indirect=True)
async def test_it_is_short_and_lifts_nothing_in_which_they_have_an_interest(api: Api) -> None:
    key = await enrolled(api, "dora", "sre")
    words = await words_for(api, "dora")
    assertion, signature = key.sign(words)
    glass, _ = await api.runtime.break_glass.use(words, signature, assertion)
    assert glass.until - glass.at <= timedelta(minutes=10)
    assert isinstance(await api.send(MANY), Permitted)
    until = api.runtime.core.directory.now() + timedelta(hours=1)
    await api.runtime.grants.add("other", "shop", [Action.DELETE], until, by="person/dora")
    assert isinstance(await api.send([["delete_like", "row/02"]], "other"), Held)


@pytest.mark.parametrize("api", [NAMED], indirect=True)
async def test_people_with_passkeys_alone_are_not_one_another(api: Api) -> None:
    """They have no signing key, all of them: that makes nobody an owner, nor a reviewer of their own use."""
    await enrolled(api, "olaf", "sre")
    await api.runtime.agents.add("third", "olaf", by="uid/0")
    until = api.runtime.core.directory.now() + timedelta(hours=1)
    actions = [Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE]
    await api.runtime.grants.add("third", "shop", actions, until, by="uid/0")
    key = await enrolled(api, "dora", "sre")
    words = await words_for(api, "dora")
    assertion, signature = key.sign(words)
    glass, _ = await api.runtime.break_glass.use(words, signature, assertion)
    assert isinstance(await api.send(MANY, "third"), Permitted)
    reviews = api.runtime.break_glass
    for name, why in (("dora", "they broke it"), ("olaf", "owns the agent")):
        with pytest.raises(Rejected, match=why):
            await reviews.review(glass.id, name, "it was right", by=f"session/{name}")
    await enrolled(api, "emil", "sre")
    assert (await reviews.review(glass.id, "emil", "it was right", by="session/emil")).reviewed_by == "emil"


@pytest.mark.parametrize("api", [NAMED], indirect=True)
async def test_an_alias_with_the_owners_passkey_is_the_owner(api: Api) -> None:
    """The store refuses such a person; if there is one all the same, their word does not pass what the owner's may not."""
    key = await enrolled(api, "olaf", "sre")
    await api.runtime.agents.add("third", "olaf", by="uid/0")
    until = api.runtime.core.directory.now() + timedelta(hours=1)
    await api.runtime.grants.add("third", "shop", [Action.DELETE], until, by="uid/0")

    def alias(tx: Tx) -> None:
        olaf = tx.person("olaf")
        assert olaf is not None
        tx.put_person(msgspec.structs.replace(olaf, name="dora"))

    await api.runtime.store.transact(alias)
    words = await words_for(api, "dora")
    assertion, signature = key.sign(words)
    await api.runtime.break_glass.use(words, signature, assertion)
    assert isinstance(await api.send(MANY, "third"), Held)


# ---- forgeries

Forged = tuple[Statement, Assertion | None, str]
Trick = Callable[[Api, SoftPasskey], Awaitable[Forged]]


async def _signed(api: Api, key: SoftPasskey, *, alter: Any = None, **more: Any) -> Forged:
    words = await words_for(api, "dora")
    assertion, signature = key.sign(words, **more)
    return (alter(words) if alter else words), assertion, signature


async def another_targets_assertion(api: Api, key: SoftPasskey) -> Forged:
    assertion, signature = key.sign(shown_as(await words_for(api, "dora", "till"), "staging"))
    return await words_for(api, "dora"), assertion, signature


async def another_target_in_the_words(api: Api, key: SoftPasskey) -> Forged:
    """Signed whole, but not what this target's words are."""
    till = await words_for(api, "dora", "till")
    words = shown_as(msgspec.structs.replace(till, target="shop"))
    return words, *key.sign(words)


async def another_environment(api: Api, key: SoftPasskey) -> Forged:
    words = await api.runtime.break_glass.statement("dora", REASON, target="shop")
    words = shown_as(words, "staging")
    return words, *key.sign(words)


async def one_changes_assertion(api: Api, key: SoftPasskey) -> Forged:
    change = await api.held()
    words = await api.runtime.break_glass.statement("dora", REASON, change=change.id)
    assertion, signature = key.sign(words)
    return await words_for(api, "dora"), assertion, signature


async def one_changes_words_for_all(api: Api, key: SoftPasskey) -> Forged:
    change = await api.held()
    words = await api.runtime.break_glass.statement("dora", REASON, change=change.id)
    words = shown_as(msgspec.structs.replace(words, change=""))
    return words, *key.sign(words)


async def an_approval(api: Api, key: SoftPasskey) -> Forged:
    words = await api.runtime.changes.statement((await api.held()).id, "dora", reason=REASON)
    near = rfc3339(api.runtime.core.directory.now() + timedelta(minutes=5))
    words = shown_as(msgspec.structs.replace(words, change="", expires=near))
    return words, *key.sign(words)


async def a_longer_time_afterwards(api: Api, key: SoftPasskey) -> Forged:
    later = rfc3339(api.runtime.core.directory.now() + timedelta(minutes=9))
    return await _signed(api, key, alter=lambda w: shown_as(msgspec.structs.replace(w, expires=later)))


async def a_longer_time_signed(api: Api, key: SoftPasskey) -> Forged:
    later = rfc3339(api.runtime.core.directory.now() + timedelta(minutes=11))
    words = await words_for(api, "dora", expires=later)
    return words, *key.sign(words)


async def a_time_that_is_over(api: Api, key: SoftPasskey) -> Forged:
    before = rfc3339(api.runtime.core.directory.now() - timedelta(seconds=1))
    words = await words_for(api, "dora", expires=before)
    return words, *key.sign(words)


async def who_is_not_named(api: Api, key: SoftPasskey) -> Forged:
    other = await enrolled(api, "emil", "sre")
    words = shown_as(msgspec.structs.replace(await words_for(api, "dora"), person="emil"))
    return words, *other.sign(words)


async def anothers_passkey(api: Api, key: SoftPasskey) -> Forged:
    return await _signed(api, await enrolled(api, "emil", "sre"))


async def another_text(api: Api, key: SoftPasskey) -> Forged:
    words = msgspec.structs.replace(await words_for(api, "dora"), shown=shown.digest("harmless"))
    return words, *key.sign(words)


async def no_text(api: Api, key: SoftPasskey) -> Forged:
    words = msgspec.structs.replace(await words_for(api, "dora"), shown=msgspec.UNSET)
    return words, *key.sign(words)


async def another_reason(api: Api, key: SoftPasskey) -> Forged:
    return await _signed(api, key, alter=lambda w: shown_as(msgspec.structs.replace(w, reason="a whim")))


async def no_reason(api: Api, key: SoftPasskey) -> Forged:
    words = await words_for(api, "dora", reason=" ")
    return words, *key.sign(words)


async def another_log(api: Api, key: SoftPasskey) -> Forged:
    words = await words_for(api, "dora", origin="elsewhere")
    return words, *key.sign(words)


async def another_system(api: Api, key: SoftPasskey) -> Forged:
    words = await words_for(api, "dora", fingerprint="toy:another")
    return words, *key.sign(words)


async def not_verified(api: Api, key: SoftPasskey) -> Forged:
    return await _signed(api, key, flags=PRESENT)


async def another_origin(api: Api, key: SoftPasskey) -> Forged:
    return await _signed(api, key, origin="http://localhost:9999")


async def an_old_count(api: Api, key: SoftPasskey) -> Forged:
    await logged_in(api, key)
    key.count -= 1
    return await _signed(api, key)


async def a_count_that_went_back_to_zero(api: Api, key: SoftPasskey) -> Forged:
    await logged_in(api, key)
    key.count, key.counts = 0, False
    return await _signed(api, key)


async def revoked(api: Api, key: SoftPasskey) -> Forged:
    forged = await _signed(api, key)
    await api.runtime.enrolments.revoke("dora", to_base64url(key.id), by="person/ann")
    return forged


async def disabled(api: Api, key: SoftPasskey) -> Forged:
    forged = await _signed(api, key)
    await api.runtime.people.disable("dora", by="person/ann")
    return forged


async def as_a_signing_key(api: Api, key: SoftPasskey) -> Forged:
    words, _, signature = await _signed(api, key)
    return words, None, signature


TRICKS: dict[Trick, str] = {
    another_targets_assertion: "signed for something else",
    another_target_in_the_words: "signed for another content",
    another_environment: "what was on screen",
    one_changes_assertion: "signed for something else",
    one_changes_words_for_all: "signed for another content",
    an_approval: "signed for another purpose",
    a_longer_time_afterwards: "signed for something else",
    a_longer_time_signed: "may hold for 10 minutes at most",
    a_time_that_is_over: "has expired",
    who_is_not_named: "not named",
    anothers_passkey: "not the person's",
    another_text: "what was on screen",
    no_text: "what was on screen",
    another_reason: "signed for something else",
    no_reason: "needs a reason",
    another_log: "signed for another log",
    another_system: "signed for another target",
    not_verified: "did not verify its user",
    another_origin: "signed on another site",
    an_old_count: "used before",
    a_count_that_went_back_to_zero: "used before",
    revoked: "not the person's",
    disabled: "is disabled",
    as_a_signing_key: "not the person's",
}


@pytest.mark.parametrize("api", [TWO], indirect=True)
@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
async def test_what_must_not_hold_is_refused_and_recorded(api: Api, trick: Trick) -> None:
    key = await enrolled(api, "dora", "sre")
    words, assertion, signature = await trick(api, key)
    with pytest.raises(Rejected, match=TRICKS[trick]) as caught:
        await api.runtime.break_glass.use(words, signature, assertion)
    assert await refusals(api) == [str(caught.value)]
    assert await api.runtime.break_glass.list() == []
    assert isinstance(await api.send(MANY), Held)


@pytest.mark.parametrize("api", [NAMED], indirect=True)
@pytest.mark.parametrize("counts", [True, False])
async def test_a_replay_breaks_nothing_again(api: Api, counts: bool) -> None:
    key = await enrolled(api, "dora", "sre", counts=counts)
    words = await words_for(api, "dora")
    assertion, signature = key.sign(words)
    await api.runtime.break_glass.use(words, signature, assertion)
    with pytest.raises(Rejected, match="used before" if counts else "broken the glass already"):
        await api.runtime.break_glass.use(words, signature, assertion)
    assert len(await api.runtime.break_glass.list()) == 1
    assert len(await refusals(api)) == 1


@pytest.mark.parametrize("api", [NAMED], indirect=True)
async def test_a_target_that_is_not_there(api: Api) -> None:
    key = await enrolled(api, "dora", "sre")
    words = await words_for(api, "dora", target="shop")
    words = msgspec.structs.replace(words, target="nowhere")
    assertion, signature = key.sign(words)
    with pytest.raises(NotFound):
        await api.runtime.break_glass.use(words, signature, assertion)


# ---- reverts by passkey


async def reverting(api: Api, person: str, change: str) -> Statement:
    words = await api.runtime.changes.revert_statement(change, person, reason="it was wrong")
    view = await api.runtime.changes.show(change)
    text = shown.text_of(view.change, view.statements, words)
    return msgspec.structs.replace(words, shown=shown.digest(text))


async def test_a_forged_wish_to_revert_is_recorded_and_uses_up_no_passkey(api: Api) -> None:
    """The count in an assertion is the authenticator's word only when its signature holds: else anybody could lock others out."""
    key = await enrolled(api, "dora", "sre")
    change = await api.applied()
    words = await reverting(api, "dora", change.id)
    assertion, _ = key.sign(words)
    data = bytearray(from_base64url(assertion.authenticator_data))
    data[33:37] = b"\xff" * 4
    forged = msgspec.structs.replace(assertion, authenticator_data=to_base64url(bytes(data)))
    with pytest.raises(Rejected):
        await api.runtime.changes.revert(words, to_base64url(b"x" * 70), forged)
    assert len(await refusals(api)) == 1
    words = await reverting(api, "dora", change.id)
    assertion, signature = key.sign(words)
    assert isinstance(await api.runtime.changes.revert(words, signature, assertion), Permitted)
