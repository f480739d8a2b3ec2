"""Statements about the transaction and the session: BEGIN … COMMIT, SET, SHOW, DISCARD, PREPARE, LISTEN, NOTIFY."""

from interlock.connectors.postgres import settings
from interlock.connectors.postgres.classify.context import Context
from interlock.connectors.postgres.classify.draft import Draft
from interlock.connectors.postgres.classify.forms import calls
from interlock.connectors.postgres.classify.info import Control, Setting
from interlock.connectors.postgres.parse import Node, RawStatement
from interlock.connectors.postgres.parse.walk import constant
from interlock.connectors.postgres.verbs.rules import Way
from interlock.model.effect import ChangeKind
from interlock.model.operation import Action, Resource

_KINDS = {
    "TRANS_STMT_BEGIN": ("begin", "BEGIN"),
    "TRANS_STMT_START": ("begin", "START TRANSACTION"),
    "TRANS_STMT_COMMIT": ("commit", "COMMIT"),
    "TRANS_STMT_ROLLBACK": ("rollback", "ROLLBACK"),
    "TRANS_STMT_SAVEPOINT": ("savepoint", "SAVEPOINT"),
    "TRANS_STMT_RELEASE": ("release", "RELEASE SAVEPOINT"),
    "TRANS_STMT_ROLLBACK_TO": ("rollback_to", "ROLLBACK TO SAVEPOINT"),
    "TRANS_STMT_PREPARE": ("prepare", "PREPARE TRANSACTION"),
    "TRANS_STMT_COMMIT_PREPARED": ("commit_prepared", "COMMIT PREPARED"),
    "TRANS_STMT_ROLLBACK_PREPARED": ("rollback_prepared", "ROLLBACK PREPARED"),
}


def transaction(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """BEGIN, COMMIT and the like."""
    known = _KINDS.get(raw.body.get("kind", ""))
    draft.at_least(Way.CONTROL)
    if known is None:
        draft.refuse("this kind of transaction control is not known")
        return
    kind, draft.verb = known
    modes = _modes(raw.body.get("options", ()))
    draft.more["control"] = Control(
        kind,
        name=raw.body.get("savepoint_name", ""),
        isolation=modes.isolation,
        read_only=modes.read_only,
        deferrable=modes.deferrable,
        chain=bool(raw.body.get("chain")),
        gid=raw.body.get("gid", ""),
    )


def _modes(options: list[Node] | tuple[()]) -> Control:
    """The transaction modes in a list of DefElem."""
    wishes = {item["DefElem"]["defname"]: constant(item["DefElem"].get("arg")) for item in options}

    def flag(name: str) -> bool | None:
        return None if name not in wishes else wishes[name] not in ("0", "off", "false", None)

    return Control(
        "",
        isolation=wishes.get("transaction_isolation") or "",
        read_only=flag("transaction_read_only"),
        deferrable=flag("transaction_deferrable"),
    )


def set_variable(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """SET, RESET, SET TRANSACTION, SET SESSION CHARACTERISTICS."""
    body = raw.body
    name, kind = body.get("name", ""), body.get("kind", "VAR_SET_VALUE")
    draft.at_least(Way.SETTING)
    if kind == "VAR_SET_MULTI":
        _multi(draft, name, body)
        return
    if kind in ("VAR_RESET", "VAR_RESET_ALL"):
        draft.verb = "RESET"
        name = "all" if kind == "VAR_RESET_ALL" else name
        judged = settings.judge(name, None) if name != "all" else settings.Judgement(settings.Verdict.PASS)
        _settle(
            draft, Setting("reset", settings.canonical(name), None, False, judged.verdict.value), judged.why
        )
        return
    value = None if kind == "VAR_SET_DEFAULT" else value_of(body)
    judged = settings.judge(name, value)
    if kind == "VAR_SET_CURRENT":
        judged = settings.Judgement(settings.Verdict.REFUSE, "SET … FROM CURRENT stands in functions only")
    wish = Setting("set", settings.canonical(name), value, bool(body.get("is_local")), judged.verdict.value)
    _settle(draft, wish, judged.why)


def value_of(body: Node) -> str | None:
    """The value of SET as text: several are joined by commas as the server does, an interval of SET TIME ZONE by its number."""
    values = [constant(arg) for arg in body.get("args", ())]
    return ", ".join(v for v in values if v is not None) if values else None


def _settle(draft: Draft, wish: Setting, why: str) -> None:
    draft.more["setting"] = wish
    if wish.verdict == settings.Verdict.REFUSE.value:
        draft.need(Action.ADMIN, (Resource("setting", wish.name),))
        draft.refuse(why)


def _multi(draft: Draft, name: str, body: Node) -> None:
    draft.verb = f"SET {name}"
    if name == "TRANSACTION SNAPSHOT":
        draft.at_least(Way.CONTROL)
        draft.more["control"] = Control("set_transaction", snapshot=value_of(body) or "")
        return
    modes = _modes(body.get("args", ()))
    if name == "TRANSACTION":
        draft.at_least(Way.CONTROL)
        draft.more["control"] = Control(
            "set_transaction",
            isolation=modes.isolation,
            read_only=modes.read_only,
            deferrable=modes.deferrable,
        )
        return
    wishes = [
        Setting("characteristics", "default_transaction_isolation", modes.isolation),
        Setting(
            "characteristics", "default_transaction_read_only", _word(modes.read_only), verdict="virtual"
        ),
        Setting("characteristics", "default_transaction_deferrable", _word(modes.deferrable)),
    ]
    asked = [wish for wish in wishes if wish.value]
    if len(asked) != 1:
        draft.refuse("SET SESSION CHARACTERISTICS takes one mode at a time through the gateway")
    draft.more["setting"] = asked[0] if asked else Setting("characteristics", "", verdict="refuse")


def _word(flag: bool | None) -> str | None:
    return None if flag is None else "on" if flag else "off"


def show(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """SHOW."""
    name = settings.canonical(raw.body.get("name", ""))
    draft.at_least(Way.SETTING)
    draft.more["setting"] = Setting("show", name, verdict=settings.judge_show(name).verdict.value)
    draft.more["returns_rows"] = True


def discard(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """DISCARD."""
    what = raw.body.get("target", "").removeprefix("DISCARD_").lower()
    draft.at_least(Way.SETTING)
    draft.more["setting"] = Setting("discard", what)
    draft.more["deallocates"] = "ALL" if what == "all" else None
    draft.changes_catalog = what in ("all", "temp")


def prepare(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """PREPARE: nothing runs yet, but reading in literals of a composite type may run checks."""
    ((tag, body),) = raw.body["query"].items()
    inner = ctx.classify(RawStatement(tag, body, raw.text, raw.offset))
    draft.more["prepares"] = raw.body.get("name", "")
    draft.more["inner"] = inner
    draft.need(Action.READ, ())
    if inner.way is Way.REFUSED:
        draft.absorb(inner)
    elif inner.way is not Way.PASS:
        draft.at_least(Way.GATED, inner.why)


def deallocate(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """DEALLOCATE; ALL would take the gateway's own statements along."""
    draft.at_least(Way.SETTING if raw.body.get("isall") else Way.PASS)
    draft.more["deallocates"] = "ALL" if raw.body.get("isall") else raw.body.get("name", "")
    if raw.body.get("isall"):
        draft.more["setting"] = Setting("discard", "prepared")


def listen(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """LISTEN and UNLISTEN."""
    name = raw.body.get("conditionname")
    draft.need(Action.READ, (Resource("channel", name or "*"),))


def notify(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """NOTIFY: rolled back with its transaction, but once committed it cannot be taken back."""
    channel = Resource("channel", raw.body.get("conditionname", ""))
    draft.at_least(Way.GATED, "reaches listeners at the commit")
    draft.need(Action.UPDATE, (channel,))
    draft.side_effects.append(
        calls.predicted(channel, ChangeKind.UPDATED, "a notification cannot be taken back")
    )


def constraints(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """SET CONSTRAINTS: IMMEDIATE runs deferred triggers, of what was written before."""
    draft.at_least(Way.GATED, "may run deferred triggers")
