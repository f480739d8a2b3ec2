"""The end of a login: the settings that a session begins with, and the greeting."""

from collections.abc import Mapping

from interlock.connectors.postgres import settings as reviewed
from interlock.connectors.postgres.client.sql import SqlConnection
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import build, encode
from interlock.connectors.postgres.session.channel import Channel
from interlock.connectors.postgres.session.passing import virtual_status
from interlock.connectors.postgres.session.wishes import virtual
from interlock.connectors.postgres.session.worker import Worker
from interlock.connectors.postgres.settings import Verdict
from interlock.connectors.postgres.upstream import Upstream


def wishes(options: Mapping[str, str]) -> dict[str, str]:
    """The settings of a startup packet that the server is told."""
    return {
        n: v for n, v in options.items() if reviewed.judge(n, v).verdict in (Verdict.PASS, Verdict.LIMITED)
    }


async def settle_settings(channel: Channel, wished: Mapping[str, str]) -> None:
    """Note the settings that change meaning, as the session begins with them."""
    reported = channel.upstream.parameters
    channel.settings = {n.lower(): v for n, v in reported.items() if n.lower() in reviewed.MEANING}
    channel.settings.update(wished)
    if "search_path" not in channel.settings:
        channel.settings["search_path"] = await _search_path(channel.upstream)
    channel.startup_settings = dict(channel.settings)


def keep_virtual(worker: Worker, options: Mapping[str, str]) -> bool:
    """Keep the settings that the gateway answers for. False when one has a value that makes no sense; the error was sent."""
    kept = [(n, v) for n, v in options.items() if reviewed.judge(n, v).verdict is Verdict.VIRTUAL]
    return all(virtual.apply(worker, name, value) for name, value in kept)


def greeting(channel: Channel, key: b.BackendKeyData) -> bytes:
    """What a server says when a login is over: its settings, a key to cancel with, and that it is ready."""
    told = [encode(b.ParameterStatus(n, v)) for n, v in channel.upstream.parameters.items()]
    shown = [channel.status(virtual_status(status, 0, len(status))) for status in told]
    return b"".join([*shown, encode(key), build.ready("I")])


async def _search_path(upstream: Upstream) -> str:
    """What a session begins with. It is the role's or the database's own, and servers before 18 do not report it."""
    shown = await SqlConnection(upstream).query("SHOW search_path")
    ((path,),) = shown.rows
    return (path or b"").decode()
