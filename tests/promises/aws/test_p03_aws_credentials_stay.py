"""P3 Credentials stay, at AWS: neither the account's nor an agent's secret, nor a secret inside of a call, is in an answer,
an error, a log line, the ledger or (in clear) the store.

One life of a gateway in which each secret is a text that cannot be anywhere by chance, with what goes wrong on the way.
"""

import base64
import contextlib
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from botocore.exceptions import ClientError
from rich.console import Console
from tests.faults.aws.conftest import Place, told
from tests.faults.aws.faulty import Fault, Faulty, answer
from tests.promises.planted import planted, shapes

from interlock.cli import review
from interlock.cli.options import read_payload
from interlock.console.app import Door, create_app
from interlock.console.schemas import ToSign
from interlock.control.deciding.shown import text_of
from interlock.model.change import ChangeFilter, Statement, Verdict
from interlock.model.people import signing_key
from interlock.runtime.serving.http import with_uid
from interlock.testing.peers.moto import UPSTREAM_KEY, UPSTREAM_SECRET, AwsGateway, MotoServer

VALUES = {
    name: planted(name)
    for name in ("secret string", "master password", "login password", "parameter", "user data", "rotated")
}
ROLE = "arn:aws:iam::123456789012:role/any"


class Life:
    """What was said and left behind: by place, bytes."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.said: dict[str, bytes] = {}
        self.issued: dict[str, str] = {}

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        """As the agent; the answer or the error is kept."""
        name = f"{service} {operation} {len(self.said)}"
        try:
            found = getattr(self.place.client(service), operation)(**parameters)
            self.said[name] = str(found).encode()
        except ClientError as error:
            found = None
            self.said[name] = (str(error) + str(error.response)).encode()
        return found


@pytest.fixture(scope="module")
def life(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    folder = tmp_path_factory.mktemp("p03-aws")
    log, errors = folder / "log.out", folder / "log.err"
    with Faulty(moto.port) as aws, log.open("w") as out, errors.open("w") as err:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            with AwsGateway(aws.url, folder / "gateway") as gateway:
                place = Place(moto, aws, gateway)
                place.renew()
                made = Life(place)
                live(made)
                afterwards(made)
            out.flush()
            err.flush()
        made.said["the log"] = log.read_bytes() + errors.read_bytes()
        for file in (folder / "gateway" / "var").rglob("*"):
            if file.is_file() and file.name != "master.key":
                made.said[f"the file {file.name}"] = file.read_bytes()
        made.said["the configuration"] = (folder / "gateway" / "interlock.yaml").read_bytes()
        yield made


def live(life: Life) -> None:
    """Calls with secrets in them: done, held, approved, refused, failed, lost, reverted."""
    place, call = life.place, life.call
    name = place.name
    call("secretsmanager", "create_secret", Name=name, SecretString=VALUES["secret string"])
    call("secretsmanager", "put_secret_value", SecretId=name, SecretString=VALUES["rotated"])
    call("secretsmanager", "put_secret_value", SecretId="not-there", SecretString=VALUES["secret string"])
    call("ssm", "put_parameter", Name=name, Value=VALUES["parameter"], Type="SecureString", Overwrite=True)
    call("iam", "create_user", UserName=name)
    call("iam", "create_login_profile", UserName=name, Password=VALUES["login password"])
    call("iam", "update_login_profile", UserName=name, Password=VALUES["login password"])
    call(
        "rds", "create_db_instance", DBInstanceIdentifier=name, DBInstanceClass="db.t3.micro", Engine="postgres",
        MasterUsername="root", MasterUserPassword=VALUES["master password"], AllocatedStorage=20,
    )  # fmt: skip
    call("ec2", "run_instances", ImageId="ami-12c6146b", MinCount=1, MaxCount=1, UserData=VALUES["user data"])
    place.gateway.run(asked(life))
    for change in place.changes():
        if change.state.value == "held":
            place.gateway.approve(change.id)
            with contextlib.suppress(Exception):
                life.said[f"apply {change.id}"] = str(place.gateway.apply(change.id)).encode()
    narrowed = call("sts", "assume_role", RoleArn=ROLE, RoleSessionName="narrow")["Credentials"]
    life.issued = {"narrowed secret": narrowed["SecretAccessKey"], "session token": narrowed["SessionToken"]}
    life.said = {
        key: said for key, said in life.said.items() if "assume_role" not in key
    }  # it was to be told
    call("iam", "create_access_key", UserName=name)
    call("secretsmanager", "get_secret_value", SecretId=name)
    go_wrong(life)


def go_wrong(life: Life) -> None:
    place = life.place
    bucket = place.bucket()
    echo = (
        f"<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>{UPSTREAM_KEY}</AWSAccessKeyId>"
        f"<Token-0>{UPSTREAM_SECRET}</Token-0></Error>"
    )
    for line in (f"GET /{bucket}/k1", f"PUT /{bucket}/k1"):
        place.aws.on(line, Fault("before", "answer", answer(403, echo.encode())))
    life.call("s3", "get_object", Bucket=bucket, Key="k1")
    life.call("s3", "put_object", Bucket=bucket, Key="k1", Body=b"x")
    place.aws.on("PutSecretValue", Fault("after", "cut"))
    life.call("secretsmanager", "put_secret_value", SecretId=place.name, SecretString=VALUES["rotated"])
    body = f'{{"__type":"InvalidParameterException","message":"{VALUES["rotated"]}"}}'.encode()
    place.aws.on("PutSecretValue", Fault("before", "answer", answer(400, body)))
    # The service's own error to the agent's own call may repeat what the agent sent: that answer is the agent's.
    with contextlib.suppress(ClientError):
        place.client("secretsmanager").put_secret_value(SecretId=place.name, SecretString=VALUES["rotated"])
    for change in place.changes():
        if change.state.value == "applied":
            with contextlib.suppress(Exception):
                life.said[f"revert {change.id}"] = str(place.gateway.revert(change.id)).encode()


def afterwards(life: Life) -> None:
    """What people are shown, and the ledger."""
    gateway = life.place.gateway
    for change in life.place.changes():
        shown = gateway.run(gateway.runtime.changes.show(change.id))
        life.said[f"show {change.id}"] = str(shown).encode()
        life.said[f"record {change.id}"] = str(change).encode()
        words = Statement(*("",) * 7, Verdict.APPROVE, *("",) * 4)
        life.said[f"the text that is signed of {change.id}"] = text_of(
            shown.change, shown.statements, words
        ).encode()
    gateway.run(asked(life))
    life.said["the ledger"] = str(gateway.entries()).encode()
    life.said["doctor"] = str(gateway.run(gateway.runtime.targets["cloud"].live.doctor())).encode()


async def asked(life: Life) -> None:
    """What approvers are given: over the API, and by the command line, which computes it anew on their own machines."""
    runtime = life.place.gateway.runtime
    transport = httpx.ASGITransport(app=with_uid(create_app(runtime, Door.SOCKET), 0))
    async with httpx.AsyncClient(transport=transport, base_url="http://interlock") as api:
        for change in await runtime.changes.list(ChangeFilter(agent=life.place.agent, limit=200)):
            path = f"/api/v1/changes/{change.id}"
            life.said[f"api {change.id}"] = (await api.get(path)).content
            query = {
                "person": "ann",
                **(
                    {"verdict": "approve"}
                    if change.state.value == "held"
                    else {"revert": "true", "nonce": "n" * 32}
                ),
            }
            answer = await api.get(f"{path}/statement", params=query)
            if not answer.is_success:
                assert change.state.value not in ("held", "applied"), answer.text
                continue
            told = msgspec.json.decode(answer.content, type=ToSign)
            life.said[f"statement {change.id}"] = answer.content + (told.payload or b"")
            force = None if change.state.value == "held" else False
            wish = review.Wish(change.id, "ann", Verdict.APPROVE, "", force, told.statement.nonce)
            seen = review.check(told, wish, read_payload, datetime.now(UTC))
            assert seen.own_reading
            with io.StringIO() as paper:
                Console(file=paper, width=200).print(review.render(seen, full=True))
                life.said[f"on paper {change.id}"] = paper.getvalue().encode()


def found(life: Life, secret: str) -> list[str]:
    return [
        f"{where}, {shape}"
        for shape, text in shapes(secret).items()
        for where, data in life.said.items()
        if text in data
    ]


def test_the_life_was_a_full_one(life: Life) -> None:
    """Otherwise nothing is shown by what was not found."""
    states = {
        change.split(b"state=")[1][:40] for name, change in life.said.items() if name.startswith("record")
    }
    assert len(life.said) > 30
    assert any(b"applied" in state for state in states)
    assert any(b"reverted" in state for state in states)
    assert b"change.applied" in life.said["the log"]
    for way in ("statement ", "on paper ", "api ", "the text that is signed of "):
        words = b"".join(said for name, said in life.said.items() if name.startswith(way))
        for call in (b"PutSecretValue", b"RunInstances", b"CreateDBInstance"):
            assert call in words, (way, call)
        assert b"***" in words, way
    assert any(name.startswith("the file interlock.db") for name in life.said)
    passed = [seen for seen in life.place.aws.seen if VALUES["rotated"].encode() in seen.body]
    assert passed, "no secret value came to AWS"


def test_the_accounts_own_key_is_nowhere(life: Life) -> None:
    assert found(life, UPSTREAM_SECRET) == []
    answers = {where: said for where, said in life.said.items() if where != "the configuration"}
    assert [where for where, said in answers.items() if UPSTREAM_KEY.encode() in said] == []


def test_the_agents_keys_are_nowhere(life: Life) -> None:
    token = life.place.gateway.tokens[life.place.agent]
    for secret in (token, signing_key(token), *life.issued.values()):
        assert found(life, secret) == []


@pytest.mark.parametrize("name", VALUES)
def test_secrets_inside_of_calls_are_nowhere(life: Life, name: str) -> None:
    """Not in clear in the store, the ledger, the log, what people are shown, or a before-image."""
    assert found(life, VALUES[name]) == []
    encoded = base64.b64encode(VALUES[name].encode()).rstrip(b"=")[:-1]
    assert [where for where, said in life.said.items() if encoded in said] == []


def test_an_agent_hears_of_no_other_credential(life: Life) -> None:
    """What hands out keys of the account is refused, or answered by the gateway."""
    said = b"".join(text for where, text in life.said.items() if "create_access_key" in where)
    assert b"InterlockForbidden" in said
    assert not [
        s for s in life.place.aws.seen if b"CreateAccessKey" in s.body or b"Action=AssumeRole" in s.body
    ]


def test_the_folder_is_the_gateways_alone(life: Life) -> None:
    var = Path(life.place.gateway.folder) / "var"
    assert var.stat().st_mode & 0o077 == 0


KEY = {
    "User": {"Type": "AWS::IAM::User"},
    "Key": {"Type": "AWS::IAM::AccessKey", "Properties": {"UserName": {"Ref": "User"}}},
}
TEMPLATE = json.dumps(
    {"Resources": KEY, "Outputs": {"Secret": {"Value": {"Fn::GetAtt": ["Key", "SecretAccessKey"]}}}}
)
MAKING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "stack": ("cloudformation", "create_stack", {"StackName": "{name}", "TemplateBody": TEMPLATE}),
    "nested": ("cloudformation", "create_stack", {"StackName": "{name}", "TemplateBody": "{nested}"}),
    "stored": ("cloudformation", "create_stack", {"StackName": "{name}", "TemplateURL": "{url}"}),
    "update": ("cloudformation", "update_stack", {"StackName": "{there}", "TemplateBody": TEMPLATE}),
    "change set": (
        "cloudformation", "create_change_set",
        {"StackName": "{name}", "ChangeSetName": "new", "ChangeSetType": "CREATE", "TemplateBody": TEMPLATE},
    ),
    "stack set": ("cloudformation", "create_stack_set", {"StackSetName": "{name}", "TemplateBody": TEMPLATE}),
    "resource": (
        "cloudcontrol", "create_resource",
        {"TypeName": "AWS::IAM::AccessKey", "DesiredState": '{"UserName":"ann"}'},
    ),
}  # fmt: skip


def noted(place: Place) -> str:
    """The refusals of the agent that the ledger knows of."""
    place.gateway.run(place.gateway.runtime.core.refusals.flush())
    return str(
        [entry for entry in place.gateway.entries() if place.agent in str(entry) and "refus" in str(entry)]
    )


@pytest.mark.parametrize("way", MAKING)
def test_no_template_makes_a_key(place: Place, way: str) -> None:
    """Its secret would be an output of the stack: as refused as CreateAccessKey, whoever approves."""
    bucket, s3 = place.bucket(), place.direct("s3")
    s3.put_object(Bucket=bucket, Key="key.json", Body=TEMPLATE.encode())
    url = f"https://s3.amazonaws.com/{bucket}/key.json"
    nested = {"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}}
    there = f"there-{place.name}"
    queue = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    place.direct("cloudformation").create_stack(StackName=there, TemplateBody=queue)
    known = {
        "{name}": place.name,
        "{nested}": json.dumps({"Resources": nested}),
        "{url}": url,
        "{there}": there,
    }
    service, operation, parameters = MAKING[way]
    with pytest.raises(ClientError) as caught:
        getattr(place.client(service), operation)(**{key: known.get(v, v) for key, v in parameters.items()})
    assert told(caught)[:2] == ("InterlockForbidden", 403)
    assert "would make a credential (AWS::IAM::AccessKey)" in noted(place)
    users = place.direct("iam").list_users()["Users"]
    assert not [u for u in users if place.name in u["UserName"] or there in u["UserName"]]
    assert place.changes() == []


def test_a_change_set_that_was_there_makes_no_key(place: Place) -> None:
    """Made by a person before: executing it is what would make the key."""
    place.direct("cloudformation").create_change_set(
        StackName=place.name, ChangeSetName="new", ChangeSetType="CREATE", TemplateBody=TEMPLATE
    )
    with pytest.raises(ClientError) as caught:
        place.client("cloudformation").execute_change_set(StackName=place.name, ChangeSetName="new")
    assert told(caught)[:2] == ("InterlockForbidden", 403)


def test_a_refusal_is_recorded_where_no_policy_was_asked(place: Place) -> None:
    """That an agent tried is worth knowing."""
    with pytest.raises(ClientError):
        place.client("iam").create_access_key(UserName="ann")
    with pytest.raises(ClientError):
        place.client("sqs", region="us-west-2").list_queues()
    said = noted(place)
    assert "iam:CreateAccessKey hands out credentials" in said
    assert "us-west-2 is not a region of this target" in said
