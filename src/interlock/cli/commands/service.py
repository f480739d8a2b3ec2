"""The server, and what is done to its store while it does not run."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli import out
from interlock.cli.options import Config, Json, Yes, config_path
from interlock.model.errors import Rejected
from interlock.sdk.connector import Finding

if TYPE_CHECKING:
    from interlock.runtime.serve import Server

_STYLE = {"error": "bold red", "warning": "yellow", "ok": "green"}


def serve(
    config: Config = None,
    log_level: Annotated[
        str, typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")
    ] = "info",
) -> None:
    """Run the server until SIGTERM or SIGINT; SIGHUP reads the policies again."""
    from interlock.console.app import doors
    from interlock.runtime import log
    from interlock.runtime import serve as server
    from interlock.runtime.config import document as configuration

    loaded = configuration.load(config_path(config))
    log.set_up(level=log_level)
    server.serve(loaded, doors(), ready=_ready)


def _ready(server: "Server") -> None:
    import structlog

    targets = {t.name: t.address or f"not served: {t.why}" for t in server.runtime.statuses()}
    structlog.get_logger().info("ready", api=server.addresses, targets=targets)


def doctor(
    offline: Annotated[
        bool, typer.Option("--offline", help="Look at files, store and targets without a server.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Find every misconfiguration that would defeat the gate, each with the reason and the mend."""
    from interlock.cli.examine import examine

    findings = asyncio.run(examine(config_path(config), offline=offline))
    errors = sum(f.level == "error" for f in findings)
    if json:
        out.json({"findings": findings})
    else:
        _print_findings(findings)
        warnings = sum(f.level == "warning" for f in findings)
        said = f"{out.count(errors, 'error')}, {out.count(warnings, 'warning')}"
        out.say(said, style="bold red" if errors else "bold green")
    if errors:
        raise typer.Exit(1)


def _print_findings(findings: tuple[Finding, ...]) -> None:
    order = list(_STYLE)
    console = out.console()
    for finding in sorted(findings, key=lambda f: order.index(f.level) if f.level in order else 0):
        line = out.shown(f"{finding.check}: {finding.what}")
        console.print(out.labelled(finding.level, _STYLE.get(finding.level, "bold red"), line))
        if finding.fix:
            console.print(out.labelled("", "", out.shown(f"to mend it: {finding.fix}")))


def demo(
    keep: Annotated[bool, typer.Option("--serve", help="Leave everything running to play with.")] = False,
    aws: Annotated[bool, typer.Option("--aws", help="On an AWS account that moto plays.")] = False,
) -> None:
    """Run the main job on a real PostgreSQL that comes with it; each step is asserted."""
    if aws and keep:
        raise typer.BadParameter("--serve is for the demo on PostgreSQL")
    try:
        if aws:
            from interlock.cli.demo.aws import run as run_aws

            raise typer.Exit(run_aws())
        from interlock.cli.demo import run
    except ImportError as error:
        raise Rejected(
            f"the demo needs more packages ({error.name}): pip install 'interlock[demo]'"
        ) from None
    raise typer.Exit(run(serve=keep))


def migrate(config: Config = None, json: Json = False) -> None:
    """Bring the store to this version's schema. The server must not run."""
    from interlock.cli import storefile

    size = asyncio.run(storefile.migrate(config_path(config)))
    if json:
        out.json({"entries": size})
    else:
        out.say(f"The store has this version's schema; its ledger has {out.count(size, 'entry')}.")


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Copy the SQLite store into a file, also while the server runs."""
    from interlock.cli import storefile

    size = storefile.backup(config_path(config), file)
    if json:
        out.json({"file": str(file), "bytes": size})
        return
    out.say(f"wrote {file} ({size:,} bytes)")
    out.say("Keep the master key apart from it: neither is of use without the other.", style="dim")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    yes: Yes = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Put a backup in the place of the SQLite store, which is kept beside it. The server must not run."""
    from interlock.cli import storefile

    if not yes:
        typer.confirm(
            "What was recorded since the backup will be missing from the store. Go on?", abort=True, err=True
        )
    done = storefile.restore(config_path(config), file)
    if json:
        out.json(done)
        return
    out.say(
        f"The store holds {out.count(done.entries, 'ledger entry')} now; the newest checkpoint seen before covered {done.seen:,}."
    )
    for path in done.kept:
        out.say(f"kept {path}")
    if done.entries < done.seen:
        out.warn(
            f"Missing: {out.count(done.seen - done.entries, 'entry')}. Whoever holds a later checkpoint can prove that."
        )
