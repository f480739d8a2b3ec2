"""The index of botocore's models, kept between runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import botocore
from botocore.loaders import Loader

from interlock.connectors.aws.codec import Index, build, dump, load
from interlock.connectors.aws.codec.index import FORMAT

FOLDER = Path(__file__).parents[4] / ".cache" / "aws"


def of(services: Sequence[str]) -> Index:
    """An index of a few services, made at once."""
    loader = Loader()

    def model(name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = loader.load_service_model(name, "service-2")
        return found

    return build(model, services)


def of_all() -> Index:
    """The index of all services, out of the cache if it is there."""
    kept = FOLDER / f"index-{botocore.__version__}-{FORMAT}.bin"
    if not kept.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(dump(of(Loader().list_available_services("service-2"))))
    return load(kept.read_bytes())
