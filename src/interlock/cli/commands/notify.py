"""Messages to people: what was given up, and trying channels out."""

from typing import Annotated
from urllib.parse import quote

import typer
from rich.text import Text

from interlock.cli import out
from interlock.cli.options import Asked, asks
from interlock.console.schemas import Empty
from interlock.console.schemas.messages import MessageList
from interlock.model.errors import Rejected
from interlock.model.message import Message
from interlock.runtime.notify.states import ChannelState, Tried

notify = typer.Typer(no_args_is_help=True, help="Messages to people, and their channels.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the message (`interlock notify list`).")]
Channel = Annotated[str, typer.Argument(metavar="CHANNEL", help="Name of the channel.")]
Waiting = Annotated[bool, typer.Option("--waiting", help="Those that wait for their delivery as well.")]


@notify.command("list")
@asks
def list_messages(
    asked: Asked,
    waiting: Waiting = False,
) -> None:
    """List the channels, and the messages that were given up."""
    path = "/api/v1/messages" + ("?state=dead&state=waiting" if waiting else "")
    found = asked.connect().get(path, MessageList)
    if asked.json:
        out.json(found)
        return
    columns = ("channel", "told of", "waiting", "given up", "last failure")
    out.print_table(out.table("", columns, [_channel(c) for c in found.channels], right=columns[2:4]))
    for message in found.messages:
        _message(message)


def _message(message: Message) -> None:
    """One by one, so that ids can be copied."""
    tries = out.count(message.attempts, "try")
    why = f": {message.error}" if message.error else ""
    out.say("")
    out.say(f"{message.id} to {message.channel} is {message.state.value}", style="bold")
    out.console().print(out.shown(f"queued {out.when(message.queued_at)}, {tries}{why}"))
    out.console().print(out.shown(message.text))


def _channel(state: ChannelState) -> tuple[object, ...]:
    told = [*state.events, *(f"group {g}" for g in state.groups), *(f"in {e}" for e in state.environments)]
    return state.name, ", ".join(told) or "everything", state.waiting, state.dead, state.why


@notify.command("retry")
@asks
def retry_message(
    asked: Asked,
    message: Id,
) -> None:
    """Have a message that was given up tried again."""
    path = f"/api/v1/messages/{quote(message, safe='')}/retry"
    _told(asked.connect().post(path, Message, Empty()), "is tried again", asked.json)


@notify.command("drop")
@asks
def drop_message(
    asked: Asked,
    message: Id,
) -> None:
    """Forget a message that was given up."""
    path = f"/api/v1/messages/{quote(message, safe='')}"
    _told(asked.connect().delete(path, Message), "is forgotten", asked.json)


@notify.command("test")
@asks
def try_channel(
    asked: Asked,
    channel: Channel,
) -> None:
    """Send a test to a channel, and tell whether it was taken."""
    path = f"/api/v1/channels/{quote(channel, safe='')}/test"
    tried = asked.connect().post(path, Tried, Empty())
    if asked.json:
        out.json(tried)
    if not tried.taken:
        raise Rejected(f"the channel {tried.channel} did not take it: {tried.why}")
    if not asked.json:
        out.say(f"{tried.channel} took it.")


def _told(message: Message, what: str, json: bool) -> None:
    if json:
        out.json(message)
    else:
        out.console().print(Text.assemble((message.id, "bold"), f" to {message.channel} {what}."))
