"""A plugin for pytest in the process of moto's suite: its clients work as an agent at the gateway, where moto's patches would have
them go to moto itself. Nothing of the suite is changed.

What to do comes from the environment, so that this file needs nothing of the project's: `INTERLOCK_SUITE_GATEWAY` is the gateway's
address, `INTERLOCK_SUITE_KEY` and `INTERLOCK_SUITE_SECRET` are the agent's. Without them clients go to moto."""

import os
from typing import Any

import botocore.session

_MOTO = os.environ.get("TEST_SERVER_MODE_ENDPOINT", "")
_GATEWAY = os.environ.get("INTERLOCK_SUITE_GATEWAY", "")
_KEY = os.environ.get("INTERLOCK_SUITE_KEY", "")
_SECRET = os.environ.get("INTERLOCK_SUITE_SECRET", "")
_ISSUED = "ILAS"
"""Keys that the gateway gave out for roles begin so; they are left as they are."""
_make = botocore.session.Session.create_client


def _create_client(self: Any, service_name: str, *args: Any, **kwargs: Any) -> Any:
    """The suite's own keys are made up: whoever signs with them would be a stranger to the gateway."""
    given = [*args, *([None] * (9 - len(args)))]
    names = (
        "region_name", "api_version", "use_ssl", "verify", "endpoint_url", "aws_access_key_id", "aws_secret_access_key",
        "aws_session_token", "config",
    )  # fmt: skip
    kwargs = {
        **{name: value for name, value in zip(names, given, strict=True) if value is not None},
        **kwargs,
    }
    url = kwargs.get("endpoint_url") or ""
    if not url.startswith(_MOTO):
        return _make(self, service_name, **kwargs)
    kwargs["endpoint_url"] = f"{_GATEWAY}/~/{service_name}{url.removeprefix(_MOTO)}"
    if not _is_issued(self, kwargs):
        kwargs |= {"aws_access_key_id": _KEY, "aws_secret_access_key": _SECRET, "aws_session_token": None}
    return _make(self, service_name, **kwargs)


def _is_issued(session: Any, kwargs: Any) -> bool:
    found = session.get_credentials()
    key = kwargs.get("aws_access_key_id") or (found.access_key if found else "")
    return str(key).startswith(_ISSUED)


if _GATEWAY:
    botocore.session.Session.create_client = _create_client
