"""The story, step by step. Each asserts what it shows, on the account itself."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from interlock.cli.demo.aws.stage import Cloud
from interlock.cli.demo.show import Teller
from interlock.cli.demo.stage import Failed
from interlock.testing.peers.production import ALARM, BUCKET, CAPABILITIES, QUEUE, STACK, key, state, template

OBJECTS = 25
DESTRUCTION: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("dynamodb", "DeleteTable", {"TableName": "costs-prod"}),
    ("dynamodb", "DeleteTable", {"TableName": "budgets-prod"}),
    ("lambda", "DeleteFunction", {"FunctionName": "collect-costs-prod"}),
    ("cloudwatch", "DeleteAlarms", {"AlarmNames": [ALARM]}),
)
"""What it tries when nobody lets it clean up: each by itself would wait for people."""


class Story:
    """The steps, with what later ones need of earlier ones."""

    def __init__(self, cloud: Cloud, teller: Teller) -> None:
        self._cloud, self._teller = cloud, teller
        self._environment = cloud.environment("kiro")
        self._before: dict[str, Any] = {}
        self._emptied = self._replaced = ""

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """Title and function of each; the function returns the outcome in words, or raises Failed."""
        return [
            ("1  Ordinary work passes", self._ordinary),
            ("2  Deleting and recreating the environment is held as one", self._recreate),
            ("3  So are its variants without the word", self._variants),
            ("4  Two people approve, and it is done", self._approve),
            ("5  It is reverted, data included", self._revert),
            ("6  It goes on destroying, and is stopped until a person has looked", self._stopped),
            ("7  The ledger proves it", self._ledger),
        ]

    # 1

    def _ordinary(self) -> str:
        tables = self._ask("dynamodb", "ListTables")["TableNames"]
        report = self._ask("s3", "GetObject", Bucket=BUCKET, Key=key(3))["Body"].read()
        _must(len(tables) == 2 and report.startswith(b"account"), "the reads answered something else")
        row = {"account": {"S": "000000000041"}, "month": {"S": "2026-01"}, "amount": {"N": "5"}}
        self._ask("dynamodb", "PutItem", TableName="costs-prod", Item=row)
        self._ask("s3", "PutObject", Bucket=BUCKET, Key=key(3), Body=b"account,amount\n3,8\n")
        change = self._newest()
        self._person("revert", change, "--as", "ann", "--key", self._cloud.key("ann"), "--yes")
        again = self._cloud.moto.client("s3").get_object(Bucket=BUCKET, Key=key(3))["Body"].read()
        _must(again == report, "the overwritten object did not come back")
        return f"two reads, a new item, an overwritten object; nobody was asked, and {change} was reverted exactly"

    # 2

    def _recreate(self) -> str:
        self._before = state(self._cloud.moto)
        self._held("cloudformation", "DeleteStack", StackName=STACK)
        error = self._held(
            "cloudformation",
            "CreateStack",
            StackName=STACK,
            TemplateBody=template(),
            Capabilities=CAPABILITIES,
        )
        _must(
            "41 of 41 items" in error and f"{OBJECTS} of {OBJECTS} items" in error, "the loss was not counted"
        )
        _must(state(self._cloud.moto) == self._before, "the account was touched")
        _must(QUEUE in error and "not reversible" in error, "what cannot come back was not said")
        self._replaced = _change_of(error)
        return f"{self._replaced} held: the stack, its tables, bucket, queue, function and role, with everything in them"

    # 3

    def _variants(self) -> str:
        other = template().replace('"cost-reports-${Stage}"', '"cost-archive-${Stage}"')
        found = [
            self._held(
                "cloudformation",
                "UpdateStack",
                StackName=STACK,
                TemplateBody=other,
                Capabilities=CAPABILITIES,
            ),
            self._held(
                "s3",
                "PutBucketLifecycleConfiguration",
                Bucket=BUCKET,
                LifecycleConfiguration={
                    "Rules": [
                        {
                            "ID": "tidy",
                            "Status": "Enabled",
                            "Filter": {"Prefix": ""},
                            "Expiration": {"Days": 1},
                        }
                    ]
                },
            ),
        ]
        for error in found:
            self._deny(_change_of(error))
        keys = [{"Key": key(number)} for number in range(OBJECTS)]
        self._emptied = _change_of(self._held("s3", "DeleteObjects", Bucket=BUCKET, Delete={"Objects": keys}))
        _must(state(self._cloud.moto) == self._before, "the account was touched")
        return "an update that replaces a bucket, an expiry rule and emptying the bucket first wait as well"

    # 4

    def _approve(self) -> str:
        self._approved(self._emptied)
        owner = self._cloud.key("olga")
        self._person("approve", self._replaced, "--as", "olga", "--key", owner, "--yes", fails=True)
        self._approved(self._replaced)
        _must(state(self._cloud.moto)["table costs-prod"][2] == [], "the approved change was not made")
        return "the owner was refused; approved by two, the environment was deleted and made again, empty"

    # 5

    def _revert(self) -> str:
        for change in (self._replaced, self._emptied):
            self._person("revert", change, "--as", "ben", "--key", self._cloud.key("ben"), "--yes")
        after = state(self._cloud.moto)
        for what, value in self._before.items():
            _must(after.get(what) == value, f"{what} is not as it was")
        return "every item, object, function, role and alarm is back; the queue's messages are not, as was said before"

    # 6

    def _stopped(self) -> str:
        """What was approved counts for nothing. What was denied does, and what it tries now: five in ten minutes are enough."""
        for service, operation, parameters in DESTRUCTION:
            self._held(service, operation, show=False, **parameters)
            self._show(service, operation, parameters)
        self._teller.say("… each of them is held like those before")
        row = {"account": {"S": "000000000041"}, "month": {"S": "2026-02"}, "amount": {"N": "5"}}
        error = self._refused("dynamodb", "PutItem", TableName="costs-prod", Item=row)
        _must("agent/kiro" in error, "what is stopped was not named")
        self._ask(
            "dynamodb", "GetItem", TableName="costs-prod", Key={k: row[k] for k in ("account", "month")}
        )
        said = self._person("breaker", "show", "agent/kiro")
        self._teller.answer(said.out)
        rows = self._cloud.must("breaker", "list", "--json").json()["breakers"]
        # Its session was stopped before the agent was, if four of them came within a minute.
        for scope in [row["scope"] for row in rows if row.get("state") == "open"]:
            self._person("breaker", "reset", scope, "--reason", "olga took the cleanup out of its task")
        self._ask("dynamodb", "PutItem", TableName="costs-prod", Item=row)
        return "no write passed any more, reads did; since a person has looked, small changes pass again, on probation"

    # 7

    def _ledger(self) -> str:
        folder = self._cloud.folder / "export"
        self._person("ledger", "export", str(folder))
        self._person("ledger", "verify", "--export", str(folder))
        return "all entries verify"

    # Tools

    def _ask(self, service: str, operation: str, **parameters: Any) -> Any:
        self._show(service, operation, parameters)
        return self._call(service, operation, parameters)

    def _call(self, service: str, operation: str, parameters: dict[str, Any]) -> Any:
        return self._cloud.client(service, self._environment)._make_api_call(operation, parameters)

    def _show(self, service: str, operation: str, parameters: dict[str, Any]) -> None:
        told = ", ".join(f"{name}={_short(value)}" for name, value in parameters.items())
        self._teller.sql("kiro", f"{service} {operation}({told})")

    def _held(self, service: str, operation: str, *, show: bool = True, **parameters: Any) -> str:
        if show:
            self._show(service, operation, parameters)
        try:
            self._call(service, operation, parameters)
        except ClientError as error:
            told = error.response["Error"]
            if show:
                self._teller.answer(f"{told['Code']}: {told['Message']}")
            _must(told["Code"] == "InterlockHeld", "expected the call to be held")
            return str(told["Message"])
        raise Failed(f"{service} {operation} was let through")

    def _refused(self, service: str, operation: str, **parameters: Any) -> str:
        self._show(service, operation, parameters)
        try:
            self._call(service, operation, parameters)
        except ClientError as error:
            told = error.response["Error"]
            self._teller.answer(f"{told['Code']}: {told['Message']}")
            _must(told["Code"] == "InterlockBreakerOpen", "expected the call to be refused")
            return str(told["Message"])
        raise Failed(f"{service} {operation} was let through")

    def _approved(self, change: str) -> None:
        for person in ("ann", "ben"):
            self._person("approve", change, "--as", person, "--key", self._cloud.key(person), "--yes")
        self._person("apply", change)

    def _deny(self, change: str) -> None:
        ann = self._cloud.key("ann")
        self._person("deny", change, "--as", "ann", "--key", ann, "--reason", "mend it in place", "--yes")

    def _person(self, *words: str, fails: bool = False) -> Any:
        said = self._cloud.interlock(*words)
        self._teller.command(self._cloud.commands[-1])
        if fails or said.code:
            self._teller.answer((said.out + said.err).strip())
        _must(bool(said.code) == fails, "the command ended otherwise than expected")
        return said

    def _newest(self) -> str:
        page = self._cloud.must("changes", "--agent", "kiro", "--json").json()
        return str(page["changes"][0]["id"])


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def _must(fact: object, otherwise: str) -> None:
    if not fact:
        raise Failed(otherwise)


def _change_of(error: str) -> str:
    place = error.find("CHG-")
    _must(place >= 0, "the error names no change")
    return error[place : place + 12]
