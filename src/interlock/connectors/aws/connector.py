"""The connector itself: what the core finds by the folder's name."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from interlock.connectors.aws import config, environment, setup
from interlock.connectors.aws.session import record
from interlock.connectors.aws.target.live import AwsLive
from interlock.connectors.aws.upstream import listener_context
from interlock.model.decision import Target
from interlock.model.errors import Misconfigured
from interlock.sdk.connector import Listener, Live, Reach, Recorded


class AwsConnector:
    """Implements `sdk.connector.Connector`."""

    name = "aws"
    connection = "ADDRESS (`interlock agents aws-env AGENT --target TARGET` prints the key and the addresses)"

    def environment(self, reach: Reach) -> Mapping[str, str | None]:
        """What the AWS CLI and the SDKs find the gateway and its key by."""
        return environment.client_environment(reach)

    def profile(self, reach: Reach) -> str:
        """The same for `~/.aws/config`."""
        return environment.profile(reach)

    def recorded(self, payload: bytes) -> Recorded:
        """What recorded calls say."""
        found = record.read(payload)
        return Recorded(found.content, found.statements)

    def schema(self) -> str:
        """The Cedar fragment of this connector's resource kinds."""
        return files(__package__).joinpath("schema.cedarschema").read_text("utf-8")

    def configure(self, name: str, target: Target, raw: Mapping[str, Any], secret: config.Secret) -> Live:
        """Validate a target's own keys. Raises Misconfigured."""
        checked = config.parse(name, raw)
        config.listener(name, checked)
        tls = None
        if checked.tls is not None:
            try:
                tls = listener_context(checked.tls.cert, checked.tls.key)
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or type(error).__name__
                both = f"{checked.tls.cert} and {checked.tls.key}"
                raise Misconfigured(f"targets.{name}.tls: {both} cannot be used: {why}") from None
        return AwsLive(target, checked, config.credentials(checked.upstream, secret), tls)

    def setup_script(self, live: Live, flavour: str) -> str:
        """The commands that make the gateway's role and its bucket; there is one flavour."""
        assert isinstance(live, AwsLive)
        return setup.script(live.config)

    def listener(self, live: Live) -> Listener:
        """Where agents reach the target."""
        assert isinstance(live, AwsLive)
        return config.listener(live.name, live.config)
