"""The gateway's own credentials, and where each service is: a botocore session, and one client for each service and region.

botocore renews credentials by itself and knows the endpoints of each service; making a client takes a tenth of a second and
more, so that is done once for each, in a thread."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import botocore.credentials
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from yarl import URL

from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.config import Credentials, TargetConfig
from interlock.model.base import Value
from interlock.model.errors import Misconfigured, Unavailable


class Where(Value, frozen=True):
    """Where a service is: its base address, and the region and name by which requests to it are signed."""

    url: str
    region: str
    signing_name: str
    custom: bool = False

    @property
    def host(self) -> str:
        """Host and port, as they stand in the Host header."""
        return urlsplit(self.url).netloc


class Key(Value, frozen=True):
    """A key pair of the gateway's own, for one request."""

    access_key: str
    secret_key: str
    token: str = ""

    def __repr__(self) -> str:
        return "Key(…)"


class Endpoints:
    """See the module. Safe from several threads."""

    def __init__(self, config: TargetConfig, credentials: Credentials) -> None:
        self._config, self._credentials = config, credentials
        self._session: botocore.session.Session | None = None
        self._clients: dict[tuple[str, str], Any] = {}
        self._where: dict[tuple[str, str], Where] = {}
        self._key: Key | None = None
        self._ends: Callable[[], bool] = _never
        self._lock = threading.Lock()

    def client(self, service: str, region: str) -> Any:
        """The botocore client; made on the first call, which blocks. Raises Misconfigured."""
        key = service, region
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make(service, region)
            return self._clients[key]

    def _make(self, service: str, region: str) -> Any:
        limits = self._config.limits
        # One try: what is tried again must be seen by whoever decides that.
        config = Config(
            connect_timeout=limits.connect_timeout_s,
            read_timeout=limits.answer_timeout_s,
            retries={"total_max_attempts": 2, "mode": "standard"},
            user_agent_extra="interlock",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        up = self._config.upstream
        endpoint = up.endpoints.get(service) or up.endpoint or None
        return self._logged_in().create_client(
            service, region_name=region, endpoint_url=endpoint, config=config
        )

    def _logged_in(self) -> botocore.session.Session:
        if self._session is None:
            self._session = _session(self._config, self._credentials)
        return self._session

    async def download(self, url: str, limit: int) -> bytes:
        """Fetch a presigned address that an answer of AWS's gave, of `limit` bytes at most. Raises CallFailed."""
        try:
            async with (
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.get(URL(url, encoded=True), allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    raise CallFailed("NotDownloaded", answer.status)
                data = await answer.content.read(limit + 1)
                while len(data) <= limit and not answer.content.at_eof():
                    data += await answer.content.read(limit + 1 - len(data))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise CallFailed(f"NotDownloaded.{type(error).__name__}", 502) from None
        if len(data) > limit:
            raise CallFailed("TooLarge", 413)
        return data

    async def where(self, service: str, region: str) -> Where:
        """Where the service is. Raises Misconfigured."""
        found = self._where.get((service, region))
        if found is None:
            client = await asyncio.to_thread(self.client, service, region)
            up = self._config.upstream
            found = Where(
                client.meta.endpoint_url.rstrip("/"),
                client.meta.region_name,
                client.meta.service_model.signing_name,
                bool(up.endpoints.get(service) or up.endpoint),
            )
            self._where[service, region] = found
        return found

    async def key(self) -> Key:
        """The key to sign with now, renewed when it is about to end. Raises Unavailable."""
        if self._key is not None and not self._ends():
            return self._key
        return await asyncio.to_thread(self._renewed)

    def _renewed(self) -> Key:
        with self._lock:
            session = self._logged_in()
        try:
            found = session.get_credentials()
            if found is None:
                raise Unavailable("the gateway has no AWS credentials of its own")
            frozen = found.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(
                f"the gateway's AWS credentials cannot be renewed ({type(error).__name__})"
            ) from None
        key = Key(frozen.access_key, frozen.secret_key, frozen.token or "")
        # Those of a role or a container know when they end; a lasting key holds until AWS refuses it.
        with self._lock:
            if session is self._session:
                self._key, self._ends = key, getattr(found, "refresh_needed", _never)
        return key

    def forget(self) -> None:
        """AWS refuses the credentials: read them again from where they come from, for the next call."""
        with self._lock:
            self._session, self._key = None, None
            self._clients.clear()


def _never() -> bool:
    return False


def _session(config: TargetConfig, credentials: Credentials) -> botocore.session.Session:
    up = config.upstream
    base = botocore.session.Session(profile=up.profile or None)
    base.set_config_variable("region", config.regions[0])
    if credentials.secret_access_key is not None:
        token = credentials.session_token() if credentials.session_token is not None else None
        base.set_credentials(up.access_key_id, credentials.secret_access_key(), token)
    if up.assume_role is None:
        return base
    session = botocore.session.Session()
    session.set_config_variable("region", config.regions[0])
    session._credentials = _assumed(base, config)  # as botocore's own tests and boto3 users do
    return session


def _assumed(base: botocore.session.Session, config: TargetConfig) -> Any:
    role = config.upstream.assume_role
    assert role is not None
    endpoint = config.upstream.endpoints.get("sts") or config.upstream.endpoint or None

    def create_client(*args: Any, **kwargs: Any) -> Any:
        return base.create_client(*args, **{"endpoint_url": endpoint, **kwargs})

    extra = {"RoleSessionName": role.session_name, "DurationSeconds": role.duration_s}
    if role.external_id:
        extra["ExternalId"] = role.external_id
    source = base.get_credentials()
    if source is None:
        raise Misconfigured("there are no AWS credentials with which the role could be assumed")
    fetcher = botocore.credentials.AssumeRoleCredentialFetcher(
        client_creator=create_client, source_credentials=source, role_arn=role.role_arn, extra_args=extra
    )
    refresh: Callable[[], dict[str, Any]] = fetcher.fetch_credentials
    return botocore.credentials.DeferredRefreshableCredentials(refresh, "assume-role")
