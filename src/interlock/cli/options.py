"""Options that commands share, and what they lead to."""

import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar, cast

import msgspec
import typer

from interlock.cli import client, keyfile, out
from interlock.cli.client import Client, Signer
from interlock.model.base import Value
from interlock.model.errors import Misconfigured, Rejected
from interlock.model.ids import parse_change_id
from interlock.model.proposal import INTERLOCK
from interlock.sdk.connector import Recorded

CONFIG_FILE = "interlock.yaml"
CONFIG_VARIABLE = "INTERLOCK_CONFIG"

Config: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "-c", "--config", metavar="FILE", help=f"Configuration (${CONFIG_VARIABLE}, else ./{CONFIG_FILE})."
    ),
]
Url: TypeAlias = Annotated[
    str,
    typer.Option(
        "--url", metavar="URL", help="Use the API at this address, with --as and --key, not the admin socket."
    ),
]
As: TypeAlias = Annotated[str, typer.Option("--as", metavar="PERSON", help="Who you are.")]
Key: TypeAlias = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="Your signing key (`interlock keys new`).")
]
NeedAs: TypeAlias = Annotated[str, typer.Option("--as", metavar="PERSON", help="Who you are.")]
NeedKey: TypeAlias = Annotated[
    Path, typer.Option("--key", metavar="FILE", help="Your signing key (`interlock keys new`).")
]
PassphraseFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", metavar="FILE", help="Where the key's passphrase is (else it is asked)."
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Don't ask for confirmation.")]
ReasonText: TypeAlias = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]


def config_path(given: Path | None) -> Path:
    """The configuration file that is meant."""
    return given or Path(os.environ.get(CONFIG_VARIABLE) or CONFIG_FILE)


def passphrase(file: Path | None) -> Callable[[], bytes]:
    """What opens a key: the first line of a file, or what is typed without an echo."""

    def ask() -> bytes:
        if file is None:
            if not sys.stdin.isatty():
                raise Misconfigured(
                    "the key has a passphrase, and there is no terminal to ask for it: --passphrase-file FILE"
                )
            return str(typer.prompt("Passphrase of the key", hide_input=True, err=True)).encode()
        try:
            return file.read_bytes().split(b"\n", 1)[0]
        except OSError as error:
            raise Misconfigured(f"cannot read {file}: {error.strerror}") from None

    return ask


def signer(person: str, key: Path | None, passphrase_file: Path | None = None) -> Signer:
    """A person with their key. A usage error unless both are named."""
    if not person or key is None:
        raise typer.BadParameter("your signature is needed: --as PERSON and --key FILE")
    return Signer(person, keyfile.load(key, passphrase(passphrase_file)))


def connect(config: Path | None, url: str, person: str, key: Path | None) -> Client:
    """The server: by the API when an address is given, else by the admin socket of the configuration."""
    if url:
        return client.by_url(url, signer(person, key))
    return client.by_socket(socket_path(config_path(config)))


class Asked(Value, frozen=True):
    """The options that most commands share: which server, as whom, and whether the answer is for a program."""

    config: Path | None
    url: str
    as_: str
    key: Path | None
    json: bool

    def connect(self) -> Client:
        """The server that is meant."""
        return connect(self.config, self.url, self.as_, self.key)


def _shared(config: Config = None, url: Url = "", as_: As = "", key: Key = None, json: Json = False) -> None:
    """What `asks` gives a command, as typer reads it."""


F = TypeVar("F", bound=Callable[..., None])


def asks(command: F) -> F:
    """Give a command the shared options, behind its own; it gets them as its first argument, `asked`."""
    own = inspect.signature(command, eval_str=True)
    shared = inspect.signature(_shared, eval_str=True).parameters
    mine = [parameter for name, parameter in own.parameters.items() if name != "asked"]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        command(Asked(**{name: given.pop(name) for name in shared}), **given)

    del run.__wrapped__  # typer would look through to the command itself
    run.__signature__ = own.replace(parameters=[*mine, *shared.values()])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*mine, *shared.values())}
    return cast(F, run)


def connect_as(config: Path | None, url: str, who: Signer) -> Client:
    """As `connect`, with the key read already."""
    return client.by_url(url, who) if url else client.by_socket(socket_path(config_path(config)))


def note_mode(server: Client) -> None:
    """Say it when what was just added took effect on one word."""
    if server.mode == "try-out":
        out.warn("try-out mode: whoever may use the admin socket adds people, agents and grants at once.")


def socket_path(config: Path) -> Path:
    """Where the server of that configuration has its admin socket."""
    from interlock.runtime.config.document import load

    return load(config).admin_socket


def change_id(typed: str) -> str:
    """A change id as a person types it. A usage error when it is none."""
    try:
        return parse_change_id(typed)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


ChangeId: TypeAlias = Annotated[
    str, typer.Argument(metavar="CHG", help="Id of the change.", callback=change_id)
]


def seconds(text: str) -> int:
    """A length of time like `90s`, `30m`, `8h`, `7d`, `2w`, in seconds. A usage error for anything else."""
    from interlock.runtime.config import durations

    try:
        return int(durations.parse(text).total_seconds())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def read_payload(connector: str, payload: bytes) -> Recorded | None:
    """What a recorded work says, as this machine reads it; None when it has no connector that can."""
    from interlock.runtime.targets.connectors import find

    recorded: Callable[[bytes], Recorded] | None
    if connector == INTERLOCK:
        from interlock.runtime.governing.record import recorded
    else:
        recorded = getattr(find(connector), "recorded", None)
    if recorded is None:
        return None
    try:
        return recorded(payload)
    except (ValueError, msgspec.MsgspecError):
        raise Rejected("not signed: the record of the statements is malformed") from None
