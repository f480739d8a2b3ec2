"""Settings: which the server is told, which the gateway answers itself as if real, which are refused."""

from typing import TYPE_CHECKING

from interlock.connectors.postgres import answer
from interlock.connectors.postgres.classify import Control, Setting, StatementInfo, Way
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import build, encode
from interlock.connectors.postgres.session import control
from interlock.connectors.postgres.session.asked.items import Item, Prepared
from interlock.connectors.postgres.session.wishes import timeouts

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.worker import Worker

DEFAULTS = {
    "default_transaction_read_only": "off",
    "transaction_read_only": "off",
    "interlock.wait": "0",
    "interlock.reason": "",
    "interlock.purge": "off",
}
"""What a client sees of the settings that the gateway keeps for itself, until it sets them."""


def passes(info: StatementInfo) -> bool:
    """Whether a statement about settings goes to the server as it is."""
    return info.way is Way.SETTING and info.setting is not None and info.setting.verdict == "pass"


def succeeded(worker: "Worker", item: Item) -> None:
    """The server has accepted this: remember what it sets and prepares."""
    info = item.info
    if info is None:
        return
    if info.deallocates is not None:
        _deallocated(worker, info.deallocates)
    if info.prepares is not None and info.inner is not None:
        worker.channel.names.statements[info.prepares] = Prepared(info.prepares, info.inner, info.inner.text)
    for setting in (info.setting, *info.settings):
        if setting is not None:
            _remember(worker, setting)


def _remember(worker: "Worker", setting: Setting) -> None:
    channel = worker.channel
    if setting.kind == "discard":
        if setting.name in ("all", ""):
            _deallocated(worker, "ALL")
            channel.settings = dict(channel.startup_settings)
            channel.has_temp = False
        elif setting.name == "temp":
            channel.has_temp = False
    elif setting.kind == "reset" and setting.name == "all":
        channel.settings = dict(channel.startup_settings)
    elif setting.kind == "reset" or (setting.kind == "set" and setting.value is None):
        startup = channel.startup_settings.get(setting.name)
        if startup is None:
            channel.settings.pop(setting.name, None)
        else:
            channel.settings[setting.name] = startup
    elif setting.kind == "set" and setting.value is not None:
        channel.settings[setting.name] = setting.value


def _deallocated(worker: "Worker", name: str) -> None:
    channel = worker.channel
    if name.upper() == "ALL":
        channel.names.statements.clear()
        channel.exchange.forget_prepared()
    else:
        channel.names.statements.pop(name, None)


async def perform(worker: "Worker", item: Item) -> bool:
    """A statement about a setting that the gateway keeps for itself."""
    info = item.info
    assert info is not None
    assert info.setting is not None
    if worker.tx is not None and worker.failed:
        worker.drop_completion()
        worker.write(control.IN_FAILED)
        return False
    if info.setting.verdict == "limited":
        return await timeouts.perform(worker, item)
    if info.setting.verdict != "virtual":
        worker.fail(answer.forbidden(info.why or f"the setting {info.setting.name} is kept by the gateway"))
        return False
    if info.setting.kind == "show":
        _show(worker, item)
        return True
    name, value = info.setting.name, info.setting.value
    if info.setting.local and worker.tx is None:
        worker.release()
        text = "SET LOCAL can only be used in transaction blocks"
        worker.write(build.notice_response("WARNING", "25P01", text))
        worker.complete("SET")
        return True
    if not apply(worker, name, value):
        return False
    if name == "transaction_read_only" and worker.tx is not None:
        wish = Control("set_transaction", read_only=_boolean(value or "off") == "on")
        if not await control.set_modes(worker, worker.tx, wish):
            return False
    worker.complete("RESET" if info.setting.kind == "reset" else "SET")
    return True


def apply(worker: "Worker", name: str, value: str | None) -> bool:
    """Set a virtual setting; None resets it."""
    channel = worker.channel
    if name == "interlock.reason":
        channel.reason = (value or "")[:500]
    elif name == "interlock.wait":
        seconds = duration_s(value or "0")
        if seconds is None:
            worker.fail(
                build.error_response(
                    "ERROR", "22023", "interlock.wait takes a duration such as '90s' or '5min'"
                )
            )
            return False
        channel.wait_s = seconds
    elif name == "interlock.purge":
        value = _boolean(value or "off")
        if value is None:
            worker.fail(
                build.error_response("ERROR", "22023", f'parameter "{name}" requires a Boolean value')
            )
            return False
    elif name.endswith("transaction_read_only"):
        flag = _boolean(value or "off")
        if flag is None:
            worker.fail(
                build.error_response("ERROR", "22023", f'parameter "{name}" requires a Boolean value')
            )
            return False
        if name == "default_transaction_read_only":
            if channel.settings.get(name, "off") != flag:
                worker.write(encode(b.ParameterStatus(name, flag)))
            channel.settings[name] = flag
        return True
    if value is None:
        channel.settings.pop(name, None)
    else:
        channel.settings[name] = value
    return True


def duration_s(text: str) -> float | None:
    """A duration as PostgreSQL writes them (manual, section 19.1.1), in seconds; without a unit, seconds."""
    text = text.strip()
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text[len(digits) :].strip() or "s"
    factor = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}.get(unit)
    try:
        number = float(digits)
    except ValueError:
        return None
    return None if factor is None or not 0 <= number < 1e9 else number * factor


def read_only(worker: "Worker") -> bool:
    """Whether the client wants its transactions to be read-only (`default_transaction_read_only`)."""
    return worker.channel.settings.get("default_transaction_read_only") == "on"


def _boolean(text: str) -> str | None:
    """As `parse_bool` of the server: `on` or `off`, or None for what is neither."""
    word = text.strip().lower()
    if word and ("true".startswith(word) or "yes".startswith(word) or word in ("on", "1")):
        return "on"
    if word and ("false".startswith(word) or "no".startswith(word) or word in ("of", "off", "0")):
        return "off"
    return None


def _show(worker: "Worker", item: Item) -> None:
    info = item.info
    assert info is not None
    assert info.setting is not None
    name = info.setting.name
    value = worker.channel.settings.get(name, DEFAULTS.get(name, ""))
    if name == "transaction_read_only":
        # Outside a block, what a transaction of one statement would be.
        wished = read_only(worker) if worker.tx is None else worker.tx.read_only
        value = "on" if wished else "off"
    worker.release()
    if item.kind == "Q":
        worker.write(encode(b.RowDescription((b.Column(name),))))
    worker.write(encode(b.DataRow((value.encode(),))))
    worker.complete("SHOW")
