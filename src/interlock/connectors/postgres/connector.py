"""The connector itself: what the core finds by the folder's name."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from interlock.connectors.postgres import config
from interlock.connectors.postgres.auth.scram import certificate_hash
from interlock.connectors.postgres.classify import alone
from interlock.connectors.postgres.session.ending import record
from interlock.connectors.postgres.setup import roles
from interlock.connectors.postgres.setup.environment import client_environment
from interlock.connectors.postgres.target.live import PgLive
from interlock.connectors.postgres.upstream import listener_context, read_certificate
from interlock.model.decision import Target
from interlock.model.errors import Misconfigured
from interlock.model.operation import Operation
from interlock.sdk.connector import Listener, Live, Reach, Recorded


class PostgresConnector:
    """Implements `sdk.connector.Connector`."""

    name = "postgres"
    connection = "postgresql://AGENT:TOKEN@ADDRESS/TARGET"
    language = "postgresql"

    def environment(self, reach: Reach) -> Mapping[str, str | None]:
        """What libpq and most other clients read their connection from."""
        return client_environment(reach)

    def reads_text(self, text: str) -> tuple[Operation, ...]:
        """What SQL is that somebody else runs."""
        return alone.reads_text(text)

    def recorded(self, payload: bytes) -> Recorded:
        """What a recorded transaction says."""
        return Recorded(record.digest_of(payload), tuple(record.describe(payload)))

    def schema(self) -> str:
        """The Cedar fragment of this connector's resource kinds."""
        return files(__package__).joinpath("schema.cedarschema").read_text("utf-8")

    def configure(self, name: str, target: Target, raw: Mapping[str, Any], secret: config.Secret) -> Live:
        """Validate a target's own keys. Raises Misconfigured."""
        checked = config.parse(name, raw)
        config.listener(name, checked)
        tls, bound = (None, None)
        if checked.tls is not None:
            try:
                tls = listener_context(checked.tls.cert, checked.tls.key)
                bound = certificate_hash(read_certificate(checked.tls.cert))
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or type(error).__name__
                files = f"{checked.tls.cert} and {checked.tls.key}"
                raise Misconfigured(f"targets.{name}.tls: {files} cannot be used: {why}") from None
        return PgLive(target, checked, config.roles(name, checked, secret), tls, bound)

    def setup_script(self, live: Live, flavour: str) -> str:
        """The SQL that sets up the three roles on the server."""
        assert isinstance(live, PgLive)
        used = live.roles
        if used.observer is None:
            raise Misconfigured(f"targets.{live.name} has no observer: name the role in its dsn first")
        maintainer = "" if used.maintainer is None else used.maintainer.user
        agents = tuple(role.user for role in used.agents.values())
        names = roles.RoleNames(used.upstream.user, used.observer.user, maintainer, agents=agents)
        try:
            return roles.grants_sql(flavour, names, live.config.schemas)
        except ValueError as error:
            raise Misconfigured(str(error)) from None

    def listener(self, live: Live) -> Listener:
        """Where agents reach the target."""
        assert isinstance(live, PgLive)
        return config.listener(live.name, live.config)
