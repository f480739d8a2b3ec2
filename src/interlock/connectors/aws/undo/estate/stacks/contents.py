"""What the resources of a stack hold: copied before they are deleted or replaced, and put into those that are made again.

A stack makes its resources again, but empty. Items of tables and objects of buckets are copied by the same means as for the calls
that delete them; what other resources hold is lost, and said to be."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from interlock.connectors.aws.undo.data.dynamodb import copies, tables
from interlock.connectors.aws.undo.data.s3 import aside, objects, trash
from interlock.connectors.aws.undo.estate.draft import LIMIT, Draft, Gone, Slot, filled, slot
from interlock.connectors.aws.undo.estate.stacks.template import parsed, resources
from interlock.connectors.aws.undo.plan import Check, Step, literal
from interlock.model.base import Value

TABLE, BUCKET, NESTED = "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::CloudFormation::Stack"

# Other types that hold something: the format of their ARN (`{}`: the physical id), and what they hold.
_HOLDS = {
    "AWS::DynamoDB::GlobalTable": ("dynamodb:{region}:{account}:table/{id}", "its items"),
    "AWS::SQS::Queue": ("sqs:{region}:{account}:{id}", "its messages"),
    "AWS::Logs::LogGroup": ("logs:{region}:{account}:log-group:{id}", "its log events"),
    "AWS::RDS::DBInstance": ("rds:{region}:{account}:db:{id}", "its data"),
    "AWS::RDS::DBCluster": ("rds:{region}:{account}:cluster:{id}", "its data"),
    "AWS::Neptune::DBCluster": ("rds:{region}:{account}:cluster:{id}", "its data"),
    "AWS::DocDB::DBCluster": ("rds:{region}:{account}:cluster:{id}", "its data"),
    "AWS::EC2::Instance": ("ec2:{region}:{account}:instance/{id}", "its disks"),
    "AWS::EC2::Volume": ("ec2:{region}:{account}:volume/{id}", "its data"),
    "AWS::EFS::FileSystem": ("elasticfilesystem:{region}:{account}:file-system/{id}", "its files"),
    "AWS::Kinesis::Stream": ("kinesis:{region}:{account}:stream/{id}", "its records"),
    "AWS::ElastiCache::CacheCluster": ("elasticache:{region}:{account}:cluster:{id}", "its entries"),
    "AWS::ElastiCache::ReplicationGroup": (
        "elasticache:{region}:{account}:replicationgroup:{id}",
        "its entries",
    ),
    "AWS::Redshift::Cluster": ("redshift:{region}:{account}:cluster:{id}", "its data"),
    "AWS::OpenSearchService::Domain": ("es:{region}:{account}:domain/{id}", "its indexes"),
    "AWS::Elasticsearch::Domain": ("es:{region}:{account}:domain/{id}", "its indexes"),
    "AWS::ECR::Repository": ("ecr:{region}:{account}:repository/{id}", "its images"),
    "AWS::Cognito::UserPool": ("cognito-idp:{region}:{account}:userpool/{id}", "its users"),
    "AWS::SecretsManager::Secret": ("{id}", "its value"),
    "AWS::KMS::Key": ("kms:{region}:{account}:key/{id}", "its key material"),
    "AWS::Backup::BackupVault": ("backup:{region}:{account}:backup-vault:{id}", "its recovery points"),
    "AWS::SNS::Subscription": ("{id}", "its confirmation"),
}


class Resource(Value, frozen=True):
    """One resource of a stack. `way` are the logical ids from the outermost stack to it."""

    way: tuple[str, ...]
    kind: str
    physical: str


async def all_of(draft: Draft, stack: str, way: tuple[str, ...] = ()) -> list[Resource]:
    """The resources of a stack and of those nested in it."""
    found: list[Resource] = []
    for one in await draft.all("ListStackResources", {"StackName": stack}, "StackResourceSummaries"):
        if one.get("ResourceStatus") == "DELETE_COMPLETE" or not one.get("PhysicalResourceId"):
            continue
        here = (*way, one["LogicalResourceId"])
        found.append(Resource(here, one["ResourceType"], one["PhysicalResourceId"]))
        if one["ResourceType"] == NESTED:
            found += await all_of(draft, one["PhysicalResourceId"], here)
    return found


class Contents:
    """Copies what resources hold into a draft. `stack` names the outermost one at the time of the revert. `guarded` puts things
    back only into what was made again: an update may have left a resource as it is."""

    def __init__(self, draft: Draft, stack: str | Slot, body: str, *, guarded: bool) -> None:
        self.draft, self.stack, self.guarded = draft, stack, guarded
        self.named = resources(parsed(body))
        self.count = 0
        self.back: list[Step] = []
        self.emptied: list[Step] = []
        """What takes away buckets that the deletion of the stack left, because they were not empty: they would be in the way."""

    async def copy(self, resource: Resource, number: int) -> None:
        """Copy what one resource holds, or say that it is lost."""
        if resource.kind == TABLE:
            await self._table(resource, number)
        elif resource.kind == BUCKET:
            await self._bucket(resource, number)
        elif resource.kind in _HOLDS and await self._holds_something(resource):
            arn, what = _HOLDS[resource.kind]
            self.lose(arn, resource, f"{what} can't be brought back")

    def lose(self, arn: str, resource: Resource, reason: str) -> None:
        """Say that nothing of a resource comes back."""
        calls, name = self.draft.calls, resource.physical
        name = name.rsplit("/", 1)[-1] if resource.kind == "AWS::SQS::Queue" else name
        text = arn.format(region=calls.region, account=calls.account, id=name)
        if not text.startswith("arn:"):
            text = f"arn:{calls.partition}:{text}"
        self.draft.lost[text] = reason

    async def _holds_something(self, resource: Resource) -> bool:
        if resource.kind == "AWS::SQS::Queue":
            asked = {"QueueUrl": resource.physical, "AttributeNames": ["All"]}
            answer = await self.draft.ask("GetQueueAttributes", asked, service="sqs") or {}
            counts = [
                v for k, v in answer.get("Attributes", {}).items() if k.startswith("ApproximateNumberOf")
            ]
            return any(int(count) for count in counts)
        if resource.kind == "AWS::Logs::LogGroup":
            asked = {"logGroupName": resource.physical}
            answer = await self.draft.ask("DescribeLogStreams", asked, service="logs") or {}
            return bool(answer.get("logStreams"))
        return True

    def _physical(self, resource: Resource, number: int) -> Slot:
        """Find out what the resource is called when it is made again, unless the template names it."""
        if len(resource.way) == 1 and named(self.named, resource.way[0], resource.physical):
            return Slot(literal(resource.physical))
        stack: str | Slot = self.stack
        for depth, logical in enumerate(resource.way):
            name = f"physical{number}x{depth}"
            asked = {"StackName": stack, "LogicalResourceId": logical}
            saves = {name: "StackResources[0].PhysicalResourceId"}
            self.back.append(Step("cloudformation", "DescribeStackResources", filled(asked), saves=saves))
            stack = slot(name)
        return slot(f"physical{number}x{len(resource.way) - 1}")

    async def _table(self, resource: Resource, number: int) -> None:
        name = resource.physical
        items = await copies.steps(self.draft.calls, name)
        if items is None:
            self.lose(
                "dynamodb:{region}:{account}:table/{id}", resource, "its items are too many to be copied"
            )
            return
        if not items:
            return
        asked = {"TableName": name, "Select": "COUNT", "ConsistentRead": True}
        if not self.guarded:
            self._count(f"the items of table {name}", "dynamodb", "Scan", asked, "Count", len(items))
        unless = await self._same(
            "dynamodb", "DescribeTable", {"TableName": name}, "Table.[TableId, CreationDateTime]"
        )
        new = self._physical(resource, number)
        await self._table_there(name, new)
        self.back += [_moved(step, "TableName", name, new, unless) for step in items]

    async def _table_there(self, name: str, new: Slot) -> None:
        """Make the table itself, should the stack only believe that it is there."""
        asked = {"TableName": name}
        table = await self.draft.must("Table", "DescribeTable", asked, what="such table", service="dynamodb")
        there = self.draft.check(
            "the table", "DescribeTable", {"TableName": new}, "Table && 'yes'", "yes", service="dynamodb"
        )
        create = filled(tables.definition(table)) | {"TableName": str(new)}
        made = Step("dynamodb", "CreateTable", create, unless=there)
        ready = {"TableName": str(new)}
        self.back.append(msgspec.structs.replace(made, wait="table_exists", wait_for=ready))

    async def _bucket(self, resource: Resource, number: int) -> None:
        name, calls = resource.physical, self.draft.calls
        keys, more = await calls.pages("s3", "ListObjectsV2", {"Bucket": name}, key="Contents", limit=LIMIT)
        arn = "s3:::{id}"
        if more:
            self.lose(arn, resource, f"its objects are more than {LIMIT}")
            self.lose(arn + "/*", resource, f"there are more than {LIMIT}")
            return
        if not keys:
            return
        if await objects.versioning(calls, name):
            raise Gone(f"bucket {name} has versions: its deletion fails half-way through the stack's")
        acls = await aside.has_acls(calls, name)
        found = await objects.looked(calls, name, [one["Key"] for one in keys], acls=acls)
        await self._objects(resource, [one for one in found if one], number)

    async def _objects(self, resource: Resource, found: Sequence[aside.Object], number: int) -> None:
        name, calls = resource.physical, self.draft.calls
        for thing in found:
            if thing.lost:
                self.draft.lost[objects.arn(calls, name, thing.key)] = thing.lost
        if not self.count:
            self.draft.prepare += await trash.made(calls)
        asked = {"Bucket": name}
        if not self.guarded:
            size = len(found)
            self._count(
                f"the objects of bucket {name}", "s3", "ListObjectsV2", asked, "length(Contents)", size
            )
        unless = await self._same("s3", "ListBuckets", {}, f"Buckets[?Name=='{name}'] | [0].CreationDate")
        new = self._physical(resource, number)
        for thing in found:
            if not thing.lost:
                copied = aside.copy(thing, calls, self.draft.nonce, self.count)
                self.count += 1
                self.draft.prepare += copied.prepare
                self.back += [_moved(step, "Bucket", name, new, unless) for step in copied.back]
                self.draft.discard.append(copied.discard)
                self.emptied.append(_delete(thing))
        self.emptied.append(Step("s3", "DeleteBucket", literal({"Bucket": name}), absent_ok=True))

    def _count(
        self, what: str, service: str, operation: str, asked: Mapping[str, Any], at: str, count: int
    ) -> None:
        """Compare how many there are: none, when it was deleted."""
        if operation == "ListObjectsV2" and count >= 1000:
            return  # one page doesn't show them all
        check = self.draft.check(what, operation, asked, at, count, service=service)
        self.draft.checks.append(msgspec.structs.replace(check, after=None))

    async def _same(self, service: str, operation: str, asked: Mapping[str, Any], at: str) -> Check | None:
        """In an update: that it is the same thing as before, into which nothing must be put."""
        if not self.guarded:
            return None
        found = await self.draft.must(at, operation, asked, what="such resource", service=service)
        return self.draft.check("the resource itself", operation, asked, at, found, service=service)


def named(definitions: Mapping[str, Any], logical: str, physical: str) -> bool:
    """Whether a template gives a resource its name."""
    properties = definitions.get(logical, {}).get("Properties")
    values = properties.values() if isinstance(properties, Mapping) else ()
    return any(value == physical for value in values)


def _delete(thing: aside.Object) -> Step:
    """Delete an object that was copied, unless it was written since."""
    place = thing.place | {"IfMatch": thing.head["ETag"]}
    return Step("s3", "DeleteObject", literal(place), absent_ok=True)


def _moved(step: Step, member: str, old: str, new: Slot, unless: Check | None) -> Step:
    """A step with the thing's new name in the place of the old one."""
    parameters = dict(step.parameters)
    if parameters.get(member) == literal(old):
        parameters[member] = str(new)
    return msgspec.structs.replace(step, parameters=parameters, unless=step.unless or unless)
