"""A provider for terraform over boto3: tables, buckets, objects and queues, as much as the tests need. Run by terraform with an
interpreter that has `tf` and `boto3`; endpoints and key come from the environment, as for the real provider.

It runs apart from the project, without its packages and its types."""

# mypy: ignore-errors

import sys

import boto3
from botocore.exceptions import ClientError
from tf import runner, schema, types
from tf.iface import Provider, Resource
from tf.schema import Attribute, Schema
from tf.utils import Diagnostics

TEXT = types.String()


def _client(service):
    settings = boto3.session.Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.client(service, config=settings)


class Thing(Resource):
    """Said by each: its name, its attributes (those that are `fixed` can only be replaced), and the calls."""

    name = ""
    fixed = ()
    free = ()

    def __init__(self, provider):
        pass

    @classmethod
    def get_name(cls):
        return cls.name

    @classmethod
    def get_schema(cls):
        fixed = [Attribute(each, TEXT, required=True, requires_replace=True) for each in cls.fixed]
        free = [Attribute(each, TEXT, required=True) for each in cls.free]
        return Schema(attributes=[*fixed, *free])

    def create(self, ctx, planned):
        return self._told(ctx, self.make, planned)

    def update(self, ctx, current, planned):
        return self._told(ctx, self.change, planned) or current

    def delete(self, ctx, current):
        self._told(ctx, self.remove, current)

    def read(self, ctx, current):
        try:
            return self.look(current)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404):
                return None
            raise

    def _told(self, ctx, do, state):
        try:
            do(state)
        except ClientError as error:
            ctx.diagnostics.add_error(error.response["Error"]["Code"], str(error))
            return None
        return state

    def look(self, state):
        raise NotImplementedError

    def change(self, state):
        raise NotImplementedError


class Table(Thing):
    """A key cannot be changed: another one is another table."""

    name = "table"
    fixed = ("name", "key")
    free = ("owner",)

    def make(self, state):
        _client("dynamodb").create_table(
            TableName=state["name"],
            KeySchema=[{"AttributeName": state["key"], "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": state["key"], "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            Tags=[{"Key": "owner", "Value": state["owner"]}],
        )

    def look(self, state):
        found = _client("dynamodb").describe_table(TableName=state["name"])["Table"]
        tags = _client("dynamodb").list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"]
        owner = next((tag["Value"] for tag in tags if tag["Key"] == "owner"), "")
        return {**state, "key": found["KeySchema"][0]["AttributeName"], "owner": owner}

    def change(self, state):
        found = _client("dynamodb").describe_table(TableName=state["name"])["Table"]
        tags = [{"Key": "owner", "Value": state["owner"]}]
        _client("dynamodb").tag_resource(ResourceArn=found["TableArn"], Tags=tags)

    def remove(self, state):
        _client("dynamodb").delete_table(TableName=state["name"])


class Bucket(Thing):
    name = "bucket"
    fixed = ("name",)

    def make(self, state):
        _client("s3").create_bucket(Bucket=state["name"])

    def look(self, state):
        _client("s3").head_bucket(Bucket=state["name"])
        return state

    def remove(self, state):
        _client("s3").delete_bucket(Bucket=state["name"])


class Object(Thing):
    name = "object"
    fixed = ("bucket", "key")
    free = ("body",)

    def make(self, state):
        _client("s3").put_object(Bucket=state["bucket"], Key=state["key"], Body=state["body"].encode())

    change = make

    def look(self, state):
        found = _client("s3").get_object(Bucket=state["bucket"], Key=state["key"])
        return {**state, "body": found["Body"].read().decode()}

    def remove(self, state):
        _client("s3").delete_object(Bucket=state["bucket"], Key=state["key"])


class Shop(Provider):
    def get_model_prefix(self):
        return "shop_"

    def full_name(self):
        return "example.com/interlock/shop"

    def get_provider_schema(self, diags: Diagnostics):
        return schema.Schema(attributes=[])

    def validate_config(self, diags, config):
        pass

    def configure_provider(self, diags, config):
        pass

    def get_data_sources(self):
        return []

    def get_resources(self):
        return [Table, Bucket, Object]


if __name__ == "__main__":
    runner.run_provider(Shop(), sys.argv)
