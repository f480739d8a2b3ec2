"""Key pairs: the id names its agent, the secret follows from the token, a narrower key says what it may and cannot be widened."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.identity import credentials, keys
from interlock.connectors.aws.identity.keys import Narrowed
from interlock.model.people import AgentCredential, signing_key
from interlock.sdk.connector import Principal

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SIGNING = signing_key("ilk_a-token")
FIXER = Principal("fixer", "olga", "", 3)
CREDENTIAL = AgentCredential("fixer", "scram", "0" * 64, 3, SIGNING)
ROLE = "arn:aws:iam::123456789012:role/deploy"
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,62}", fullmatch=True)


@given(NAMES, st.booleans())
def test_an_id_names_its_agent(name: str, narrowed: bool) -> None:
    made = keys.key_id(name, narrowed=narrowed)
    assert made.isalnum()
    assert 16 <= len(made) <= 128
    assert keys.agent_of(made) == name
    assert keys.is_narrowed(made) is narrowed


@given(st.text())
def test_any_text_names_an_agent_or_none(text: str) -> None:
    assert isinstance(keys.agent_of(text), str)


@pytest.mark.parametrize("text", ["", "AKIAIOSFODNN7EXAMPLE", "ILAK", "ILAK!", "ILAK8888"])
def test_a_strangers_id_names_nobody(text: str) -> None:
    assert keys.agent_of(text) == ""


def test_a_signing_key_tells_nothing_of_the_token() -> None:
    assert signing_key("ilk_a") != signing_key("ilk_b")
    assert "ilk" not in signing_key("ilk_a")
    assert SIGNING not in repr(CREDENTIAL)


def narrowed(**changes: object) -> Narrowed:
    until = int((NOW + timedelta(hours=1)).timestamp())
    return msgspec.structs.replace(Narrowed("fixer", 3, until, ROLE, "s", ("s3:Get*",)), **changes)


def test_a_session_token_comes_back_as_it_was() -> None:
    token = keys.token_of(narrowed(), SIGNING)
    assert keys.read_token(token, SIGNING, "fixer", 3, NOW) == narrowed()


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_an_altered_token_is_none(place: int, flip: int) -> None:
    token = bytearray(keys.token_of(narrowed(), SIGNING).encode())
    token[place % len(token)] ^= flip
    text = token.decode("latin-1")
    found = keys.read_token(text, SIGNING, "fixer", 3, NOW)
    # The last character has bits that stand for nothing: then it is the same token, written otherwise.
    assert found in (None, narrowed())
    if found is not None:
        assert place % len(token) == len(token) - 1


@pytest.mark.parametrize(
    "made",
    [
        narrowed(agent="other"),
        narrowed(epoch=2),
        narrowed(until=int(NOW.timestamp())),
    ],
)
def test_a_token_of_another_or_of_before_is_none(made: Narrowed) -> None:
    assert keys.read_token(keys.token_of(made, SIGNING), SIGNING, "fixer", 3, NOW) is None


def test_a_token_under_another_key_is_none() -> None:
    token = keys.token_of(narrowed(), signing_key("ilk_another"))
    assert keys.read_token(token, SIGNING, "fixer", 3, NOW) is None


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "s3:GetObject", True),
        ("s3:*", "s3:GetObject", True),
        ("s3:Get*", "s3:getobject", True),
        ("s3:Get?bject", "s3:GetObject", True),
        ("s3:*Object", "s3:GetObjectTagging", False),
        ("s3:*Object*", "s3:GetObjectTagging", True),
        ("s3:GetObject", "s3:GetObjectAcl", False),
        ("ec2:*", "s3:GetObject", False),
        ("", "s3:GetObject", False),
        ("a*b*c", "aXbYc", True),
        ("a*b*c", "aXcYb", False),
    ],
)
def test_patterns(pattern: str, name: str, fits: bool) -> None:
    assert keys.allows((pattern,), name) is fits


def test_no_patterns_are_no_limit() -> None:
    assert keys.allows((), "s3:DeleteBucket")


# -- what STS is answered


def asked(operation: str = "AssumeRole", **parameters: object) -> Call:
    given_ = {"RoleArn": ROLE, "RoleSessionName": "ci-1"} if operation == "AssumeRole" else {}
    return Call("sts", operation, "us-east-1", parameters={**given_, **parameters})


def issued(call: Call, before: Narrowed | None = None) -> Narrowed:
    result = credentials.issued(call, FIXER, CREDENTIAL, before, NOW)["Credentials"]
    found = keys.read_token(result["SessionToken"], SIGNING, "fixer", 3, NOW)
    assert found is not None
    assert result["Expiration"] == datetime.fromtimestamp(found.until, UTC)
    assert result["SecretAccessKey"] == keys.secret_of(result["SessionToken"], SIGNING)
    assert keys.agent_of(result["AccessKeyId"]) == "fixer"
    return found


def policy(*actions: str, **more: object) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}
    return msgspec.json.encode({"Version": "2012-10-17", "Statement": [statement]}).decode()


def test_a_role_gives_a_key_that_ends() -> None:
    assert issued(asked(DurationSeconds=900)).until == int(NOW.timestamp()) + 900
    assert issued(asked()).until == int(NOW.timestamp()) + 3600


def test_a_session_policy_narrows() -> None:
    assert issued(asked(Policy=policy("s3:GetObject", "s3:List*"))).actions == ("s3:GetObject", "s3:List*")


def test_a_narrower_key_does_not_widen() -> None:
    before = issued(asked(Policy=policy("s3:Get*"), DurationSeconds=900))
    again = issued(asked("GetSessionToken", DurationSeconds=3600), before)
    assert again.actions == ("s3:Get*",)
    assert again.until == before.until
    with pytest.raises(credentials.CannotNarrow, match="more than the key"):
        issued(asked(Policy=policy("s3:*")), before)


CANNOT: dict[str, dict[str, Any]] = {
    "a policy that denies": {"Policy": policy("s3:*", Effect="Deny")},
    "a condition": {"Policy": policy("s3:*", Condition={"Bool": {"aws:SecureTransport": "true"}})},
    "a resource": {"Policy": policy("s3:*", Resource="arn:aws:s3:::b/*")},
    "what it leaves out": {"Policy": policy(NotAction=["s3:*"])},
    "no JSON": {"Policy": "{"},
    "no statement": {"Policy": "{}"},
    "managed policies": {"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]},
    "too long": {"DurationSeconds": 43_201},
    "too short": {"DurationSeconds": 1},
    "no role": {"RoleArn": "deploy"},
    "a session name of its own": {"RoleSessionName": "a b"},
}


@pytest.mark.parametrize("name", CANNOT)
def test_what_a_key_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(credentials.CannotNarrow):
        issued(asked(**CANNOT[name]))


def test_the_caller_is_the_agent() -> None:
    told = credentials.caller(FIXER, "123456789012", "aws", None)
    assert told["Arn"] == "arn:aws:sts::123456789012:assumed-role/interlock/fixer"
