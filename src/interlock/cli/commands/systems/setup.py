"""Setting up: files, keys, roles."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from interlock.cli import keyfile, out, starter
from interlock.cli.options import CONFIG_FILE, Config, Json, config_path
from interlock.model.errors import Misconfigured, Rejected

postgres = typer.Typer(no_args_is_help=True, help="PostgreSQL targets.")
keys = typer.Typer(no_args_is_help=True, help="Signing keys of people.")


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where.")] = Path(),
    json: Json = False,
) -> None:
    """Write a commented configuration and an example policy, unless there is a configuration already; then make the state folder,
    which only you can read, and the store that the configuration names."""
    written = [] if (folder / CONFIG_FILE).exists() else _write_starter(folder)
    origin, entries = asyncio.run(_make_store(folder / CONFIG_FILE))
    if json:
        out.json({"written": written, "origin": origin, "entries": entries})
        return
    for name in written:
        out.say(f"wrote {name}")
    out.say(f"The store is there: log {origin}, {out.count(entries, 'entry')}.")
    out.say("Next: name a target in interlock.yaml; then interlock doctor, interlock serve.", style="bold")


def _write_starter(folder: Path) -> list[str]:
    taken = [name for name in starter.FILES if (folder / name).exists()]
    if taken:
        raise Rejected(f"{folder / taken[0]} exists already: nothing was written")
    try:
        for name, content in starter.FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise Rejected(f"cannot write {error.filename}: {error.strerror}") from None
    return [str(folder / name) for name in starter.FILES]


async def _make_store(config: Path) -> tuple[str, int]:
    from interlock.runtime.config.document import load
    from interlock.runtime.opening import open_configured

    store = open_configured(load(config), create=True)
    try:
        return store.origin, await store.read(lambda tx: tx.ledger_size())
    finally:
        await store.close()


@keys.command("new")
def new_key(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where the private key goes; the public one to FILE.pub.")
    ],
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for a passphrase that closes the key.")
    ] = False,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--passphrase-file", metavar="FILE", help="Take the passphrase from a file's first line."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Make your own signing key (Ed25519). The private file stays with you; FILE.pub is for `interlock people add`."""
    public = keyfile.create(file, _new_passphrase(passphrase, passphrase_file))
    if json:
        out.json({"file": str(file), "public": str(file) + ".pub", "public_key": public})
        return
    out.say(f"wrote {file} (yours alone, mode 600) and {file}.pub")
    out.say(f"public key: {public}")


def _new_passphrase(ask: bool, file: Path | None) -> bytes | None:
    if ask and file:
        raise typer.BadParameter("either --passphrase or --passphrase-file")
    if file:
        try:
            secret = file.read_bytes().split(b"\n", 1)[0]
        except OSError as error:
            raise Misconfigured(f"cannot read {file}: {error.strerror}") from None
    elif ask:
        if not sys.stdin.isatty():
            raise Rejected("there is no terminal to ask for the passphrase: --passphrase-file FILE")
        secret = str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)).encode()
    else:
        return None
    if not secret:
        raise Rejected("the passphrase is empty")
    return secret


@postgres.command("grants-sql")
def grants_sql(
    target: Annotated[str, typer.Argument(metavar="TARGET")],
    rds: Annotated[bool, typer.Option("--rds", help="For Amazon RDS, where no one is superuser.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Print the SQL that sets up the three roles of a target. Nothing is run."""
    from interlock.cli.offline import setup_script

    script = setup_script(config_path(config), target, "postgres", "rds" if rds else "plain")
    if json:
        out.json({"target": target, "sql": script})
    else:
        typer.echo(script, nl=not script.endswith("\n"))
