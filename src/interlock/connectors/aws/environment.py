"""The environment in which AWS clients find the gateway: its key pair, and an endpoint for each service.

Each service has a base path of its own (`/~/dynamodb`), so that the service of a request is known and not guessed. Variables:
"AWS SDKs and Tools Reference Guide", "Environment variables list" and "Service-specific endpoints".
"""

from collections.abc import Mapping

from interlock.connectors.aws.identity import keys
from interlock.connectors.aws.session.exchange import BASE
from interlock.connectors.aws.upstream import service_variables
from interlock.model.people import signing_key
from interlock.sdk.connector import Reach

_TAKEN_AWAY = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)  # fmt: skip
"""What would let a client find other credentials than the gateway's, or pass its endpoints by."""


def client_environment(reach: Reach) -> Mapping[str, str | None]:
    """Variables to set, and (None) to take away. An address may have its scheme in front."""
    base = _base(reach)
    found: dict[str, str | None] = dict.fromkeys(_TAKEN_AWAY)
    found |= {
        "AWS_ACCESS_KEY_ID": keys.key_id(reach.agent),
        "AWS_SECRET_ACCESS_KEY": signing_key(reach.token),
        "AWS_ENDPOINT_URL": base,
        # The gateway's host is one host, whatever an operation puts before its service's.
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    return found | {
        f"AWS_ENDPOINT_URL_{name}": f"{base}{BASE}{service}" for service, name in service_variables()
    }


def profile(reach: Reach) -> str:
    """The same as sections of `~/.aws/config` ("Shared config and credentials files"); the profile is named after the target."""
    name = f"interlock-{reach.target}"
    base = _base(reach)
    lines = [
        f"[profile {name}]",
        f"aws_access_key_id = {keys.key_id(reach.agent)}",
        f"aws_secret_access_key = {signing_key(reach.token)}",
        f"endpoint_url = {base}",
        "disable_host_prefix_injection = true",
        "s3 =",
        "  signature_version = s3v4",  # presigned addresses too: version 2 is refused
        f"services = {name}",
        "",
        f"[services {name}]",
    ]
    for service, variable in service_variables():
        lines += [f"{variable.lower()} =", f"  endpoint_url = {base}{BASE}{service}"]
    return "\n".join(lines) + "\n"


def _base(reach: Reach) -> str:
    if "://" in reach.address:
        return reach.address
    return f"{'https' if reach.secure else 'http'}://{reach.address}"
