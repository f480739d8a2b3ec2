"""moto's server as a process, one that is emptied quickly. Arguments are those of `python -m moto.server`.

moto makes every backend anew when it is reset, and forgets it then; and whoever asks for anything has it read the fifteen hundred
policies of AWS's own, once for each partition that there is. Here it only forgets, and reads them once.
"""

import copy
import sys
from functools import cache

from moto.core.base_backend import BackendDict, BaseBackend, backend_lock
from moto.iam.models import IAMBackend, ManagedPolicy
from moto.server import main

_read = IAMBackend._init_aws_policies


def forget() -> None:
    """In the place of `BackendDict.reset`. Backends that have something to close (S3 its files) are reset as ever."""
    with backend_lock:
        for backends in BackendDict._instances:  # type: ignore[misc]
            for regions in backends.values():
                if getattr(regions.backend, "reset", None) is not BaseBackend.reset:
                    regions.reset()
            backends.clear()
        BackendDict._instances.clear()  # type: ignore[misc]


def policies(backend: IAMBackend) -> list[ManagedPolicy]:
    """In the place of `IAMBackend._init_aws_policies`: copies, since attachments are counted in them. Tests have one partition."""
    if backend.region_name != "aws":
        return []
    return [copy.copy(policy) for policy in _policies_of(backend.account_id)]


@cache
def _policies_of(account: str) -> list[ManagedPolicy]:
    reader = IAMBackend.__new__(IAMBackend)
    reader.account_id, reader.region_name = account, "aws"
    return list(_read(reader))


def quicken() -> None:
    """Have moto, as it is in this process, do as the module says."""
    BackendDict.reset = staticmethod(forget)  # type: ignore[method-assign]
    IAMBackend._init_aws_policies = policies  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    quicken()
    main(sys.argv[1:])
