"""The condition language: policy documents, ranges, SQL, tags."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.connectors.aws.classify.conftest import ACCOUNT, OTHER

from interlock.connectors.aws.verbs import documents, sql
from interlock.connectors.aws.verbs.conditions import Known, holds

OWN = frozenset((ACCOUNT,))
KNOWN = Known(OWN, frozenset(("env", "team")))


def document(effect: str = "Allow", **parts: Any) -> str:
    return json.dumps({"Statement": [{"Effect": effect, "Action": "s3:GetObject", **parts}]})


OURS = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/r"}
THEIRS = {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/r", f"arn:aws:iam::{OTHER}:root"]}

DOCUMENTS = [
    # document, public, foreign, denies
    (document(Principal="*"), True, False, False),
    (document(Principal={"AWS": "*"}), True, False, False),
    (document(Principal={"AWS": [f"arn:aws:iam::{ACCOUNT}:root", "*"]}), True, False, False),
    (document(Principal="*", Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}}), True, False, False),
    (document(NotPrincipal=OURS), True, False, False),
    (document(Principal=OURS), False, False, False),
    (document(Principal=THEIRS), False, True, False),
    (document(Principal={"AWS": OTHER}), False, True, False),
    (document(Principal={"Service": "sns.amazonaws.com"}), False, False, False),
    (document(Principal={"CanonicalUser": "79a5"}), False, True, False),
    (document(Principal={"Federated": "accounts.google.com"}), False, True, False),
    (document(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/x"}), False, False, False),
    (document(Principal={"*": "*"}), True, False, False),
    (document("Deny", Principal="*"), False, False, True),
    (document("Deny", NotPrincipal=OURS), False, False, True),
    (document("Deny"), False, False, True),
    (document("Deny", Principal=THEIRS), False, False, False),
    (json.dumps({"Statement": {"Effect": "Allow", "Principal": "*"}}), True, False, False),
    # what cannot be read is the worst
    (document(principal="*"), True, True, True),
    (document()[:-1] + ', "Statement": []}', True, True, True),
    ("", True, True, True),
    ("[]", True, True, True),
    ("{}", True, True, True),
    ('{"Statement": []}', True, True, True),
    ('{"Statement": [{"Effect": "allow"}]}', True, True, True),
    ('{"Statement": "x"}', True, True, True),
    ("[" * 100_000, True, True, True),
    (b"\xff", True, True, True),
    (7, True, True, True),
]


@pytest.mark.parametrize(("text", "public", "foreign", "denies"), DOCUMENTS)
def test_documents(text: Any, public: bool, foreign: bool, denies: bool) -> None:
    assert documents.is_public(text) is public
    assert documents.is_foreign(text, OWN) is foreign
    assert documents.denies_widely(text) is denies


def test_a_key_policy_without_its_account_is_found() -> None:
    assert documents.is_without_root(document(Principal=OURS), OWN)
    assert not documents.is_without_root(document(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}), OWN)
    assert not documents.is_without_root(document(Principal={"AWS": ACCOUNT}), OWN)
    assert documents.is_without_root(document("Deny", Principal={"AWS": ACCOUNT}), OWN)


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ({"Action": "*"}, True),
        ({"Action": ["s3:Get*", "iam:*"]}, True),
        ({"NotAction": "s3:*"}, True),
        ({"Action": "KMS:*"}, True),
        ({"Action": "s3:*"}, False),
        ({"Action": ["s3:GetObject"]}, False),
    ],
)
def test_all_rights_are_found(statement: dict[str, Any], wanted: bool) -> None:
    text = json.dumps({"Statement": [{"Effect": "Allow", "Resource": "*", **statement}]})
    assert documents.allows_everything(text) is wanted


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(st.none() | st.booleans() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s))
)
def test_any_document_has_an_answer(value: Any) -> None:
    for text in (value, json.dumps(value)):
        assert documents.is_public(text) in (True, False)
        assert documents.is_foreign(text, OWN) in (True, False)
        assert documents.is_without_root(text, OWN) in (True, False)


CONDITIONS = [
    ("", {}, True),
    ("A", {}, False),
    ("A", {"A": 0}, True),
    ("A == `0`", {"A": 0}, True),
    ("A == `0`", {"A": False}, False),
    ("A == `false`", {"A": False}, True),
    ("A == `false`", {}, False),
    ("!(A.B)", {"A": {"B": False}}, True),
    ("!(A.B)", {"A": {"B": True}}, False),
    ("A", {"A": []}, False),
    ("A", {"A": ""}, False),
    ("A[?B]", {"A": [{"B": None}]}, False),
    ("A[?B]", {"A": [{"B": {"c": 1}}]}, True),
    ("like(A, 'public-*')", {"A": "Public-Read"}, True),
    ("like(A, 'x*', 'y*')", {"A": ["a", "yes"]}, True),
    ("like(A, 'x*')", {}, False),
    ("open(A)", {"A": "0.0.0.0/0"}, True),
    ("open(A)", {"A": ["10.0.0.0/8", "::/0"]}, True),
    ("open(A)", {"A": "128.0.0.0/1"}, True),
    ("open(A)", {"A": "10.0.0.0/8"}, False),
    ("open(A)", {"A": "not a range"}, True),
    ("open(A)", {}, False),
    ("outside(A)", {"A": OTHER}, True),
    ("outside(A)", {"A": f"arn:aws:sqs:eu-west-1:{OTHER}:q"}, True),
    ("outside(A)", {"A": ACCOUNT}, False),
    ("outside(A)", {"A": "arn:aws:s3:::bucket"}, False),
    ("outside(A)", {}, False),
    ("guarded(A)", {"A": ["Env"]}, True),
    ("guarded(A)", {"A": {"team": "x"}}, True),
    ("guarded(A)", {"A": [{"Key": "ENV", "Value": "x"}]}, True),
    ("guarded(A)", {"A": [{"key": "colour", "value": "env"}]}, False),
    ("guarded(A)", {}, False),
    # what cannot be evaluated holds
    ("length(A)", {}, True),
    ("contains(A, 'x')", {}, True),
    ("nonsense(", {}, True),
    ("unheard_of(A)", {}, True),
]


@pytest.mark.parametrize(("when", "parameters", "wanted"), CONDITIONS)
def test_conditions(when: str, parameters: dict[str, Any], wanted: bool) -> None:
    assert holds(when, parameters, KNOWN) is wanted


SQL = [
    ("SELECT * FROM orders LIMIT 5", False),
    ("  -- a comment\n select 1", False),
    ("/* one */ SHOW TABLES", False),
    ("WITH t AS (SELECT 1) SELECT * FROM t", False),
    ("DESCRIBE orders;", False),
    ("EXPLAIN SELECT 1", False),
    ("DROP TABLE orders", True),
    ("TRUNCATE orders", True),
    ("SELECT 1; DROP TABLE orders", True),
    ("WITH d AS (DELETE FROM orders RETURNING 1) SELECT * FROM d", True),
    ("SELECT * INTO copy FROM orders", True),
    ("EXPLAIN ANALYZE DELETE FROM orders", True),
    ("CREATE TABLE x AS SELECT 1", True),
    ("INSERT OVERWRITE orders SELECT 1", True),
    ("UNLOAD ('select 1') TO 's3://x'", True),
    ("SELECT nextval('s')", True),
    ("SELECT pg_terminate_backend(1)", True),
    ("USING EXTERNAL FUNCTION f() RETURNS INT LAMBDA 'x' SELECT f()", True),
    ("/*! DELETE FROM t WHERE id IN (*/ SELECT 1 /*!) */", True),
    ("/* /* */ DELETE FROM orders */ ", True),
    ("selective", True),
    ("", True),
    ("-- only a comment", True),
    ("\ufeffSELECT 1", True),
]


@pytest.mark.parametrize(("text", "wanted"), SQL)
def test_sql(text: str, wanted: bool) -> None:
    assert sql.writes(text) is wanted


@settings(max_examples=50, deadline=None)
@given(
    st.text(max_size=60),
    st.sampled_from(["DROP TABLE x", "delete from x", "Insert into x values (1)", "TRUNCATE x"]),
)
def test_a_writing_statement_is_found_wherever_it_stands(noise: str, statement: str) -> None:
    assert sql.writes(f"SELECT 1; {noise}\n{statement}")
    assert sql.writes(statement + "\n" + noise)
