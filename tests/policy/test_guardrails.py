"""Each shipped rule at its exact boundary."""

import pytest
from tests.policy.support import AGENT, KNOWN_ACTIONS, LAB, TWO_ADMINS, TWO_SRE, engine, grant, request

from interlock.model.decision import Forbid, Hold, Permit
from interlock.model.effect import Totals
from interlock.model.errors import Misconfigured
from interlock.model.operation import Action, Resource
from interlock.policy import shipped
from interlock.policy.engine import Engine
from interlock.policy.limits import Limits

# Guardrail, what it just lets pass, what it just holds.
BOUNDARIES = [
    ("objects-deleted", Totals(objects_deleted=0), Totals(objects_deleted=1)),
    ("objects-hidden", Totals(objects_hidden=0), Totals(objects_hidden=1)),
    ("objects-moved", Totals(objects_moved=0), Totals(objects_moved=1)),
    ("objects-weakened", Totals(objects_weakened=0), Totals(objects_weakened=1)),
    ("objects-narrowed", Totals(objects_narrowed=0), Totals(objects_narrowed=1)),
    ("objects-rewound", Totals(objects_rewound=0), Totals(objects_rewound=1)),
    ("replication-changed", Totals(replication_changed=0), Totals(replication_changed=1)),
    ("rows-deleted", Totals(rows_deleted=100), Totals(rows_deleted=101)),
    ("rows-deleted-share", Totals(share_deleted=10), Totals(share_deleted=11)),
    ("tables-emptied", Totals(tables_emptied=0), Totals(tables_emptied=1)),
    ("rows-updated", Totals(rows_updated=1_000), Totals(rows_updated=1_001)),
    ("rows-updated-share", Totals(share_updated=30), Totals(share_updated=31)),
    ("messages-sent", Totals(messages_sent=0), Totals(messages_sent=1)),
    ("messages-taken", Totals(messages_taken=0), Totals(messages_taken=1)),
    ("permissions-changed", Totals(permissions_changed=0), Totals(permissions_changed=1)),
    ("irreversible", Totals(irreversible=0), Totals(irreversible=1)),
    ("effects-unknown", Totals(unknown=0), Totals(unknown=1)),
]
ENGINE = engine()


@pytest.mark.parametrize(("guardrail", "passes", "holds"), BOUNDARIES, ids=[row[0] for row in BOUNDARIES])
def test_boundary(guardrail: str, passes: Totals, holds: Totals) -> None:
    assert ENGINE.decide(request(totals=passes)) == Permit(("grant:G1",))
    assert ENGINE.decide(request(totals=holds)) == Hold(("quorum:two-sre",), (guardrail,))
    assert ENGINE.decide(request(totals=holds, quorums=("two-sre",))) == Permit(("grant:G1",))
    other = ENGINE.decide(request(totals=holds, quorums=("two-admins",)))
    assert other == Hold(("quorum:two-sre",), (guardrail,)), "another quorum does not do"
    assert ENGINE.decide(request(totals=holds, target=LAB)) == Permit(("grant:G2",)), "relaxed"


@pytest.mark.parametrize("action", [a for a in KNOWN_ACTIONS if a is not Action.ADMIN])
@pytest.mark.parametrize(("guardrail", "holds"), [(row[0], row[2]) for row in BOUNDARIES])
def test_effects_count_whatever_the_action_is_called(action: Action, guardrail: str, holds: Totals) -> None:
    assert ENGINE.decide(request(action, holds)) == Hold(("quorum:two-sre",), (guardrail,))


@pytest.mark.parametrize("totals", [None, Totals()])
def test_admin_needs_two_even_before_its_effects_are_known(totals: Totals | None) -> None:
    assert ENGINE.decide(request(Action.ADMIN, totals)) == Hold(("quorum:two-sre",), ("admin-action",))
    assert ENGINE.decide(request(Action.ADMIN, totals, quorums=("two-sre",))) == Permit(("grant:G1",))
    assert ENGINE.decide(request(Action.ADMIN, totals, target=LAB)) == Permit(("grant:G2",))


@pytest.mark.parametrize("action", [Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE])
def test_rules_about_effects_wait_until_they_are_known(action: Action) -> None:
    assert ENGINE.decide(request(action)) == Permit(("grant:G1",))


@pytest.mark.parametrize(
    "totals",
    [
        Totals(rows_created=1_000_000),
        Totals(objects_created=5),
        Totals(objects_updated=1),
        Totals(settings_changed=1),
        Totals(rows_updated=20, rows_deleted=5, share_updated=3, share_deleted=1),
    ],
)
def test_small_measured_revertible_changes_pass(totals: Totals) -> None:
    assert ENGINE.decide(request(Action.UPDATE, totals)) == Permit(("grant:G1",))


def test_every_guardrail_has_a_boundary_test_and_all_annotations() -> None:
    tested = {row[0] for row in BOUNDARIES} | {"admin-action", "unknown-operation", "interlock-schema"}
    assert set(ENGINE.policies) == tested
    for policy in ENGINE.policies.values():
        assert policy.description.endswith("."), policy.id
        lifted = policy.file != shipped.INVARIANTS
        assert policy.remedies == (("quorum:two-sre",) if lifted else ()), policy.id


@pytest.mark.parametrize("target", [LAB, request().target])
@pytest.mark.parametrize("guardrails", ["default", "none"])
def test_unknown_operations_are_refused_everywhere(target: object, guardrails: str) -> None:
    asked = request(Action.UNKNOWN, target=target, quorums=("two-sre",))  # type: ignore[arg-type]
    decision = engine(guardrails=guardrails).decide(asked)
    assert isinstance(decision, Forbid)
    assert decision.reasons == ("unknown-operation",)
    assert "does not know this kind of operation" in decision.why


@pytest.mark.parametrize("action", KNOWN_ACTIONS)
@pytest.mark.parametrize("target", [LAB, request().target])
@pytest.mark.parametrize("guardrails", ["default", "none"])
@pytest.mark.parametrize(
    "resource",
    [
        Resource("table", "interlock.history", "interlock"),
        Resource("table", "interlock.history", ""),
        Resource("function", "odd", "interlock"),
        Resource("schema", "interlock", ""),
    ],
)
def test_agents_never_act_on_interlocks_own_schema(
    action: Action, target: object, guardrails: str, resource: Resource
) -> None:
    asked = request(action, target=target, resource=resource, quorums=("two-sre",))  # type: ignore[arg-type]
    decision = engine(guardrails=guardrails).decide(asked)
    assert isinstance(decision, Forbid)
    assert decision.reasons == ("interlock-schema",)
    assert "Interlock's own schema" in decision.why


@pytest.mark.parametrize(
    "resource",
    [
        Resource("table", "public.interlock", "public"),
        Resource("table", "interlocks.a", "interlocks"),
        Resource("bucket", "interlock", ""),
    ],
)
def test_names_that_only_look_like_it_are_free(resource: Resource) -> None:
    assert ENGINE.decide(request(Action.READ, resource=resource)) == Permit(("grant:G1",))


def test_without_guardrails_only_the_invariants_remain() -> None:
    bare = engine(guardrails="none")
    assert set(bare.policies) == {"unknown-operation", "interlock-schema"}
    assert bare.decide(request(totals=Totals(objects_deleted=9, unknown=9))) == Permit(("grant:G1",))


def test_every_number_and_the_quorum_are_configurable() -> None:
    limits = Limits(
        rows_deleted=1, share_deleted=2, rows_updated=3, share_updated=4, quorum='two "odd" admins'
    )
    odd = Engine.load(
        limits=limits,
        grants=[grant()],
        agents=[AGENT],
        quorums=[type(TWO_SRE)('two "odd" admins', 2, "admin")],
    )
    assert odd.decide(
        request(totals=Totals(rows_updated=3, rows_deleted=1, share_updated=4, share_deleted=2))
    ) == Permit(("grant:G1",))
    held = odd.decide(
        request(totals=Totals(rows_deleted=2, share_deleted=3, rows_updated=4, share_updated=5))
    )
    assert held == Hold(
        ('quorum:two "odd" admins',),
        ("rows-deleted", "rows-deleted-share", "rows-updated", "rows-updated-share"),
    )
    assert "More than 2 % of" in odd.policies["rows-deleted-share"].description


@pytest.mark.parametrize(
    "values", [{"rows_deleted": 1.5}, {"share_deleted": -1}, {"rows_updated": True}, {"quorum": ""}]
)
def test_limits_are_whole_numbers(values: dict[str, int]) -> None:
    with pytest.raises(Misconfigured, match="guardrail limit"):
        Limits(**values)  # type: ignore[arg-type]


def test_guardrails_are_default_or_none() -> None:
    with pytest.raises(Misconfigured, match="'nnoe' is none of default, none"):
        engine(guardrails="nnoe")


def test_a_quorum_that_is_not_configured_is_not_loaded() -> None:
    with pytest.raises(
        Misconfigured, match=r"the quorum 'two-sre' is not configured \(configured: two-admins\)"
    ):
        Engine.load(quorums=[TWO_ADMINS])


def test_the_shipped_files_are_in_the_package() -> None:
    assert set(shipped.templates()) == {
        "doubt.cedar", "messages.cedar", "objects.cedar", "rights.cedar", "rows.cedar"
    }  # fmt: skip
