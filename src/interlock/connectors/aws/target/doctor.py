"""What `interlock doctor` finds of an account."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from interlock.connectors.aws.call import CallFailed, Calls
from interlock.connectors.aws.config import TargetConfig
from interlock.model.errors import InterlockError
from interlock.sdk.connector import Finding

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


async def examine(config: TargetConfig, calls: Calls) -> Sequence[Finding]:
    """Whether the gateway's own rights and addresses are such that agents can work only through it."""
    found = [*_addresses(config), *(await _identity(config, calls)), *(await _trash(config, calls))]
    return [*found, *(await _groups(config, calls))]


def _addresses(config: TargetConfig) -> list[Finding]:
    found = []
    for url in filter(None, (config.upstream.endpoint, *config.upstream.endpoints.values())):
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            found.append(Finding("error", "endpoint", f"{url} is reached without TLS", "use https"))
    if config.only is not None and config.only.tags:
        found.append(
            Finding(
                "error",
                "only",
                "tags cannot bound a target: whoever may tag could move its bounds",
                "use names or stacks",
            )
        )
    return found


async def _identity(config: TargetConfig, calls: Calls) -> list[Finding]:
    try:
        told = await calls.ask("sts", "GetCallerIdentity")
    except (CallFailed, InterlockError) as error:
        return [Finding("warning", "identity", f"the account cannot be asked who it is: {error}")]
    arn = str(told.get("Arn", ""))
    if arn.endswith(":root"):
        return [
            Finding(
                "warning",
                "identity",
                "the gateway works as the account's root user",
                "give it a role of its own",
            )
        ]
    return [Finding("ok", "identity", f"the gateway works as {arn}")]


async def _trash(config: TargetConfig, calls: Calls) -> list[Finding]:
    if not config.trash_bucket:
        return []
    try:
        await calls.ask("s3", "HeadBucket", {"Bucket": config.trash_bucket})
    except (CallFailed, InterlockError):
        what = f"the bucket {config.trash_bucket}, for what is copied aside, cannot be reached"
        return [Finding("warning", "trash_bucket", what, "make it, in the account and region of the target")]
    return [Finding("ok", "trash_bucket", f"{config.trash_bucket} takes what is copied aside")]


async def _groups(config: TargetConfig, calls: Calls) -> list[Finding]:
    """What groups and bounds are found out by must be allowed: without it every change is refused."""
    chosen = [*config.groups.values(), *([config.only] if config.only is not None else [])]
    if not any(each.tags or each.stacks for each in chosen):
        return []
    questions = [("resourcegroupstaggingapi", "GetResources", "tag:GetResources")]
    if any(each.stacks for each in chosen):
        questions.append(("cloudformation", "DescribeStacks", "cloudformation:DescribeStacks"))
    denied = [
        right for service, operation, right in questions if not await _allowed(service, operation, calls)
    ]
    if not denied:
        return [Finding("ok", "groups", "tags and stacks of resources can be read")]
    what = "which group a resource is in cannot be read: changes will be refused"
    return [Finding("warning", "groups", what, f"allow the gateway's role {' and '.join(denied)}")]


async def _allowed(service: str, operation: str, calls: Calls) -> bool:
    try:
        await calls.ask(service, operation)
    except InterlockError:
        return False
    return True
