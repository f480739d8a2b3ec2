"""terraform (or OpenTofu), the real program: its state in S3 by its own backend, which is a client in Go, and a small provider over
boto3, so that plan, apply, replace and destroy are terraform's. The same binary plans and applies; what is held fails the apply,
and the same apply goes through when people have approved."""

import json
import platform
from pathlib import Path

import pytest
from tests.real.aws.clients import fetched
from tests.real.aws.clients.rig import Cloud, Ran

from interlock.model.change import ChangeState
from interlock.model.effect import ChangeKind

PROGRAM, PYTHON = fetched.terraform(), fetched.provider_python()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="neither terraform nor tofu is on the PATH")
needs_provider = pytest.mark.skipif(PYTHON is None, reason="the provider's framework (tf) is not here")
PROVIDER = Path(__file__).with_name("terraform") / "provider.py"
FIRST = {
    "table": {"orders": {"name": "orders", "key": "id", "owner": "shop"}},
    "bucket": {"data": {"name": "shop-data"}},
    "object": {"config": {"bucket": "${shop_bucket.data.name}", "key": "config", "body": "one"}},
}


SOURCE = "example.com/interlock/shop"


def _system() -> str:
    return platform.system().lower()


def _machine() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


class Terraform:
    """One working folder."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud, self._folder = cloud, folder

    def configure(self, resources: dict[str, dict[str, dict[str, str]]], backend: bool = False) -> None:
        """Say what there shall be: type, name, attributes."""
        settings: dict[str, object] = {"required_providers": {"shop": {"source": SOURCE}}}
        if backend:
            settings["backend"] = {"s3": self._backend()}
        wanted = {f"shop_{kind}": named for kind, named in resources.items()}
        document = {"terraform": settings, **({"resource": wanted} if wanted else {})}
        (self._folder / "main.tf.json").write_text(json.dumps(document), "utf-8")
        ran = self("init", "-input=false")
        assert ran.code == 0, ran.all

    def _backend(self) -> dict[str, object]:
        """As an agent would write it; endpoints and key come from the environment."""
        return {
            "bucket": "states",
            "key": "shop/terraform.tfstate",
            "region": "us-east-1",
            "use_path_style": True,
            "use_lockfile": True,
            "skip_region_validation": True,
            "skip_requesting_account_id": False,
        }

    def serve_provider(self) -> dict[str, str]:
        """terraform finds the provider in a folder, and doesn't look for it in a registry."""
        mirror = self._folder / "mirror"
        started = mirror / SOURCE / "1.0.0" / f"{_system()}_{_machine()}" / "terraform-provider-shop_v1.0.0"
        started.parent.mkdir(parents=True, exist_ok=True)
        started.write_text(f'#!/bin/sh\nexec "{PYTHON}" "{PROVIDER}" "$@"\n', "utf-8")
        started.chmod(0o755)
        settings = self._folder / "settings.tfrc"
        settings.write_text(f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror}" }}\n}}\n')
        return {"TF_CLI_CONFIG_FILE": str(settings), "HOME": str(self._folder)}

    def __call__(self, *words: str) -> Ran:
        environment = {
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "AWS_REGION": "us-east-1",
            **(self.serve_provider() if PYTHON else {}),
        }
        assert PROGRAM is not None
        return self._cloud.run([PROGRAM, *words, "-no-color"], folder=self._folder, environment=environment)

    def apply(self, *words: str) -> Ran:
        return self("apply", "-auto-approve", "-input=false", *words)


@pytest.fixture
def terraform(cloud: Cloud, tmp_path: Path) -> Terraform:
    return Terraform(cloud, tmp_path)


# -- the backend, a client in Go


def test_the_state_lies_in_s3_behind_the_gateway(cloud: Cloud, terraform: Terraform, tmp_path: Path) -> None:
    """With its lock: an object that is written if there is none (`If-None-Match`), and deleted afterwards."""
    cloud.bucket("states", {f"k{n}": b"" for n in range(12)})
    document = {"terraform": {"backend": {"s3": terraform._backend()}}, "output": {"shop": {"value": "one"}}}
    (tmp_path / "main.tf.json").write_text(json.dumps(document), "utf-8")
    ran = terraform("init", "-input=false")
    assert ran.code == 0, ran.all
    ran = terraform.apply()
    assert ran.code == 0, ran.all
    state = json.loads(cloud.objects("states")["shop/terraform.tfstate"])
    assert state["outputs"]["shop"]["value"] == "one"
    assert "shop/terraform.tfstate.tflock" not in cloud.objects("states")
    assert terraform("output", "-raw", "shop").out == "one"
    assert set(cloud.verbs(ChangeState.APPLIED)) == {"s3:PutObject", "s3:DeleteObject"}


def test_the_state_can_be_brought_back(cloud: Cloud, terraform: Terraform, tmp_path: Path) -> None:
    cloud.bucket("states", {f"k{n}": b"" for n in range(12)})
    for value in ("one", "two"):
        document = {
            "terraform": {"backend": {"s3": terraform._backend()}},
            "output": {"shop": {"value": value}},
        }
        (tmp_path / "main.tf.json").write_text(json.dumps(document), "utf-8")
        assert terraform("init", "-input=false").code == 0
        assert terraform.apply().code == 0
    overwrites = (
        c for c in cloud.changes(ChangeState.APPLIED) if c.measurement.effects[0].change is ChangeKind.UPDATED
    )
    newest = next(overwrites)
    cloud.gateway.revert(newest.id)
    assert json.loads(cloud.objects("states")["shop/terraform.tfstate"])["outputs"]["shop"]["value"] == "one"


# -- resources


@needs_provider
def test_it_creates_and_updates(cloud: Cloud, terraform: Terraform) -> None:
    terraform.configure(FIRST)
    ran = terraform.apply()
    assert ran.code == 0, ran.all
    assert cloud.tables() == ["orders"]
    assert cloud.objects("shop-data") == {"config": b"one"}
    assert "No changes" in terraform("plan", "-input=false").out


@needs_provider
def test_a_replacement_is_held_at_its_delete(cloud: Cloud, terraform: Terraform) -> None:
    """Another key is another table: terraform would destroy the one with the items first."""
    terraform.configure(FIRST)
    assert terraform.apply().code == 0
    for number in range(20):
        cloud.direct("dynamodb").put_item(TableName="orders", Item={"id": {"S": str(number)}})
    other = {**FIRST, "table": {"orders": {**FIRST["table"]["orders"], "key": "number"}}}
    terraform.configure(other)
    ran = terraform.apply()
    assert ran.code == 1
    change = cloud.held()
    assert change.id in ran.err
    assert "InterlockHeld" in ran.err
    assert "20 of 20 items deleted" in " ".join(ran.err.replace("│", " ").split())
    assert cloud.direct("dynamodb").scan(TableName="orders", Select="COUNT")["Count"] == 20
    cloud.gateway.approve(change.id)
    ran = terraform.apply()
    assert "made again" in " ".join(
        ran.err.split()
    )  # the table that follows is the other half of a replacement
    cloud.gateway.approve(cloud.held().id)
    ran = terraform.apply()
    assert ran.code == 0, ran.all
    found = cloud.direct("dynamodb").describe_table(TableName="orders")["Table"]
    assert found["KeySchema"][0]["AttributeName"] == "number"


@needs_provider
def test_a_destroy_is_held_and_nothing_with_content_goes(cloud: Cloud, terraform: Terraform) -> None:
    terraform.configure(FIRST)
    assert terraform.apply().code == 0
    cloud.direct("dynamodb").put_item(TableName="orders", Item={"id": {"S": "1"}})
    ran = terraform.apply("-destroy")
    assert ran.code == 1
    assert "InterlockHeld" in ran.err
    verbs = set(cloud.verbs(ChangeState.HELD))
    assert verbs == {"dynamodb:DeleteTable", "s3:DeleteObject"}
    assert cloud.tables() == ["orders"]
    assert cloud.objects("shop-data") == {"config": b"one"}


@needs_provider
def test_resources_with_their_state_in_the_same_account(cloud: Cloud, terraform: Terraform) -> None:
    cloud.bucket("states", {f"k{n}": b"" for n in range(12)})
    terraform.configure({"bucket": FIRST["bucket"]}, backend=True)
    ran = terraform.apply()
    assert ran.code == 0, ran.all
    assert "shop-data" in cloud.objects("states")["shop/terraform.tfstate"].decode()
    assert set(cloud.verbs(ChangeState.APPLIED)) == {"s3:PutObject", "s3:DeleteObject", "s3:CreateBucket"}
