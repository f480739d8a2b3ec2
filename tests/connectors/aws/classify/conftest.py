"""What the models that botocore brings say, and a target to classify for."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore
import pytest

from interlock.connectors.aws.call import Call, Classified
from interlock.connectors.aws.classify import GroupRule, Scope, classify
from interlock.connectors.aws.verbs.levels import Levels, installed_levels

Model = dict[str, Any]
ACCOUNT, OTHER = "123456789012", "999999999999"
SCOPE = Scope(
    "production",
    ACCOUNT,
    "aws",
    "eu-west-1",
    own_accounts=("111111111111",),
    groups=(GroupRule("shop", names=("arn:aws:s3:::shop-*",), tags={"team": "shop"}, stacks=("shop-*",)),),
)


@pytest.fixture(scope="session")
def models() -> dict[str, Model]:
    """Each service's newest model, by botocore's name."""
    return dict(_models())


@pytest.fixture(scope="session")
def levels() -> Levels:
    return installed_levels()


@pytest.fixture(scope="session")
def say(levels: Levels) -> Callable[..., Classified]:
    """Classify a call: `say("s3:GetObject", Bucket="b", Key="k")`."""

    def classified(name: str, /, **parameters: Any) -> Classified:
        service, _, operation = name.partition(":")
        return classify(Call(service, operation, "eu-west-1", ACCOUNT, parameters), SCOPE, levels)

    return classified


def _models() -> Iterator[tuple[str, Model]]:
    for folder in sorted((Path(botocore.__file__).parent / "data").iterdir()):
        found = sorted(folder.glob("*/service-2.json.gz")) if folder.is_dir() else []
        if found:
            yield folder.name, json.loads(gzip.decompress(found[-1].read_bytes()))
