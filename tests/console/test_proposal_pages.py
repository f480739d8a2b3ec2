"""Proposals on pages: what would change, the past decisions it would alter, who has signed, and who is missing."""

import re

import msgspec
import pytest
from tests.console.conftest import Api, enrolled, logged_in
from tests.console.test_passkey_approvals import words_for
from tests.console.visitors import Visitor, main_of, visitor

from interlock.model.change import Change, ChangeState, Verdict
from interlock.model.errors import Rejected
from interlock.model.proposal import Founder
from interlock.pipeline.recorded.records import CONTENT
from interlock.runtime.rules.governance import Proposed
from interlock.testing import signing
from interlock.testing.passkey import SoftPasskey
from interlock.testing.signing import public_key_of

pytestmark = pytest.mark.anyio

RULE = """@id("nothing-goes") @description("Nothing is deleted.") forbid (principal, action == Action::"delete", resource);\n"""


class Governed:
    """A governed installation: `root` and `rita` are admins with passkeys, `dora` is of sre; `adm` and `cleo` founded it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.keys: dict[str, SoftPasskey] = {}
        self.visitors: dict[str, Visitor] = {}

    async def begin(self) -> None:
        api = self.api
        for name, group in (("root", "dev"), ("rita", "dev"), ("dora", "sre")):
            self.keys[name] = await enrolled(api, name, group)
        founders = [Founder(name, public_key_of(name)) for name in ("adm", "cleo")]
        await api.runtime.governing.govern(founders, by="uid/0")
        for name in ("root", "rita"):
            await self.agree(await self.groups(name, "admin"), "adm", "cleo")
        for name, key in self.keys.items():
            self.visitors[name] = Visitor(api, await logged_in(api, key))

    async def groups(self, name: str, *groups: str) -> Change:
        with pytest.raises(Proposed) as found:
            await self.api.runtime.people.set_groups(name, groups, by="uid/0")
        return found.value.change

    async def policies(self, texts: dict[str, str]) -> Change:
        with pytest.raises(Proposed) as found:
            await self.api.runtime.governing.propose_policies(texts, by="person/adm")
        return found.value.change

    async def agree(self, change: Change, *names: str) -> None:
        for name in names:
            words = await self.api.say(change.id, name)
            await self.api.post(f"/api/v1/changes/{change.id}/approvals", words)

    async def sign(self, change: Change, name: str, verdict: Verdict = Verdict.APPROVE) -> ChangeState:
        """By passkey."""
        words = await words_for(self.api, change, name, verdict)
        assertion, signature = self.keys[name].sign(words)
        body = {
            "statement": msgspec.to_builtins(words),
            "signature": signature,
            "assertion": msgspec.to_builtins(assertion),
        }
        headers = self.visitors[name].headers
        path = f"/api/v1/changes/{change.id}/approvals"
        answer = await self.api.tcp.post(path, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return (await self.api.runtime.changes.get(change.id)).state

    async def read(self, path: str, name: str = "root") -> str:
        return main_of(await self.visitors[name].read(path))


@pytest.fixture
async def governed(api: Api) -> Governed:
    made = Governed(api)
    await made.begin()
    return made


async def test_in_try_out_mode_nothing_is_proposed_and_nothing_leads_there(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    assert 'href="/console/proposals"' not in await dora.read("/console/")
    assert "try-out mode: nothing is proposed" in main_of(await dora.read("/console/proposals"))


async def test_those_that_wait_come_first_and_those_that_are_over_after(governed: Governed) -> None:
    assert 'href="/console/proposals"' in await governed.visitors["root"].read("/console/")
    denied = await governed.groups("dora", "dba")
    await governed.sign(denied, "root", Verdict.DENY)
    waits = await governed.groups("dora", "sre", "dba")
    page = await governed.read("/console/proposals")
    open_part, _, over = page.partition("Over")
    assert waits.id in open_part
    assert "change groups of person dora person dora: in sre → in sre, dba" in open_part
    assert "quorum two-admins" in open_part
    assert denied.id not in open_part
    assert f"{denied.id} denied" in over
    assert over.count("applied") == 2, "of the two who became admins"


async def test_what_is_over_comes_by_pages(governed: Governed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.console.web.changes.PER_PAGE", 1)
    root = governed.visitors["root"]
    seen, path = [], "/console/proposals"
    while path:
        page = await root.read(path)
        seen += re.findall(r'href="/console/proposals/(CHG-\w+)"', page)
        older = re.search(r'rel="next" href="([^"]*)"', page)
        path = older[1] if older else ""
    assert len(seen) == len(set(seen)) == 2
    assert (await root.get("/console/proposals?before=x")).status_code == 400


async def test_a_proposal_of_rules_shows_its_diff_and_what_it_would_alter(governed: Governed) -> None:
    passed = await governed.api.send([["delete_like", "row/0001"]])
    assert passed.change is not None
    proposed = await governed.policies({"own.cedar": RULE})
    raw = await governed.visitors["root"].read(f"/console/proposals/{proposed.id}")
    page = main_of(raw)
    assert "adm proposes: use policies" in page
    assert "Nothing has changed yet." in page
    assert "policy file own.cedar nothing 1 lines" in page
    assert re.search(r"<ins>.*@id\(&#34;nothing-goes&#34;\)", raw), "the diff"
    past = page.partition("Past decisions it would alter")[2]
    assert f"{passed.change.id} of fixer on shop: passes → refused" in past
    assert "looked at: 1 changes of the last 14 days" in past
    assert "0 of 1 of admin" in page
    assert "adm proposed it with their own key, and is one of those who must agree." in page
    overview = await governed.visitors["root"].read("/console/")
    assert f'href="/console/proposals/{proposed.id}"' in overview
    assert "person/adm" not in overview, "who proposed is no agent"


async def test_a_diff_shows_what_goes_and_what_comes(governed: Governed) -> None:
    first = await governed.policies({"own.cedar": RULE + "// -- one\n"})
    await governed.agree(first, "cleo")
    second = await governed.policies({"own.cedar": RULE + "// ++ two <b>\n"})
    raw = await governed.visitors["root"].read(f"/console/proposals/{second.id}")
    assert '<del><span class="hidden">removed: </span>// -- one</del>' in raw
    assert '<ins><span class="hidden">added: </span>// ++ two &lt;b&gt;</ins>' in raw
    assert raw.count("nothing-goes") == 1, "what stays is there once"
    assert "None: each would have been decided in the same way." in main_of(raw)


async def test_admins_sign_on_the_page_of_a_change_and_it_is_done(governed: Governed) -> None:
    proposed = await governed.groups("dora", "sre", "dba")
    root = governed.visitors["root"]
    raw = await root.read(f"/console/proposals/{proposed.id}")
    assert f'action="/console/changes/{proposed.id}/sign"' in raw
    assert f'data-review="{proposed.id}"' in raw
    assert "Past decisions" not in raw, "rules alone decide otherwise"
    form = await root.post(f"/console/changes/{proposed.id}/sign", what="approve")
    assert "person dora: in sre → in sre, dba" in form.text
    assert await governed.sign(proposed, "root") is ChangeState.HELD
    page = await governed.read(f"/console/proposals/{proposed.id}", "rita")
    assert "two-admins: 1 of 2 of admin root approved 1 missing" in page
    assert await governed.sign(proposed, "rita") is ChangeState.APPLIED
    page = await governed.read(f"/console/proposals/{proposed.id}")
    assert "proposed: change groups of person dora" in page
    assert "Approve" not in page
    assert "Revert" not in page, "to undo it, the opposite is proposed"
    dora = await governed.api.runtime.store.read(lambda tx: tx.person("dora"))
    assert dora is not None
    assert dora.groups == ("sre", "dba")


async def test_whom_it_is_about_is_told_that_they_do_not_count(governed: Governed) -> None:
    proposed = await governed.groups("root", "admin", "sre")
    page = await governed.read(f"/console/proposals/{proposed.id}")
    assert "You cannot approve this: you are whom it is about, or own the agent" in page
    assert "Approve …" not in page
    assert "Deny …" in page


async def test_changes_and_proposals_lead_to_each_others_pages(governed: Governed) -> None:
    held, proposed = await governed.api.held(), await governed.groups("dora", "dba")
    root = governed.visitors["root"]
    for path, to in (
        (f"changes/{proposed.id.lower()}", f"proposals/{proposed.id}"),
        (f"proposals/{held.id}", f"changes/{held.id}"),
    ):
        answer = await root.get(f"/console/{path}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/console/{to}")
    for nothing in ("CHG-00000000", "x"):
        assert (await root.get(f"/console/proposals/{nothing}")).status_code == 404


async def test_what_a_page_asks_for_leads_to_its_proposal(governed: Governed) -> None:
    """In governed mode admins are needed: the page says so by showing what is held."""
    api, dora = governed.api, governed.visitors["dora"]
    await dora.post("/console/environments/production/freeze", reason="fire")
    answer = await dora.post("/console/environments/production/thaw", reason="out")
    assert answer.status_code == 303
    place = answer.headers["location"]
    assert place.startswith("/console/proposals/CHG-")
    assert "dora proposes: thaw production" in await governed.read(place, "dora")
    (switch,) = [b for b in await api.runtime.switches.list() if b.scope == "environment/production"]
    assert switch.frozen


async def test_what_is_destroyed_or_altered_is_said(governed: Governed) -> None:
    proposed = await governed.groups("dora", "dba")
    store = governed.api.runtime.store
    await store.transact(lambda tx: tx.destroy_payloads(proposed.id))
    page = await governed.read(f"/console/proposals/{proposed.id}")
    assert "not stored any more, only its digest" in page
    other, third = await governed.groups("dora", "dba", "sre"), await governed.groups("dora", "dev")
    payload = await store.read(lambda tx: tx.payload(third.id, CONTENT))
    await store.transact(lambda tx: tx.put_payload(other.id, CONTENT, payload))
    answer = await governed.visitors["root"].get(f"/console/proposals/{other.id}")
    assert answer.status_code == 422
    assert "is not what was proposed" in main_of(answer.text)


async def test_nobody_breaks_the_glass_for_what_decides(governed: Governed) -> None:
    """P9: `adm` is named for it, and alone it would be one person who changes the guard."""
    proposed = await governed.groups("dora", "dba")
    glass = governed.api.runtime.break_glass
    words = await glass.statement("adm", "it is urgent", change=proposed.id)
    signed = signing.signed(words, governed.api.runtime.core.directory.now())
    with pytest.raises(Rejected, match="never by one person"):
        await glass.use(words, signed.signature)
    assert (await governed.api.runtime.changes.get(proposed.id)).state is ChangeState.HELD
