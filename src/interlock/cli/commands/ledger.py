"""The ledger: verify, show its head, prove, export. Verifying needs no server, and of an export nothing but the public key."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from interlock.cli import out
from interlock.cli.options import Asked, Config, Json, asks, config_path
from interlock.console.schemas import LedgerEntries, LedgerHead
from interlock.ledger.note import NoteError, VerifierKey, parse_vkey, split_notes
from interlock.ledger.verify import Report
from interlock.model.errors import Misconfigured, Rejected
from interlock.model.visible import visible

ledger = typer.Typer(no_args_is_help=True, help="The ledger: an append-only log that anyone can check.")

MOST_SHOWN = 20


@ledger.command("head")
@asks
def head(asked: Asked) -> None:
    """Show how far the log is, and the key it is checked with."""
    found = asked.connect().get("/api/v1/ledger/head", LedgerHead)
    if asked.json:
        out.json(found)
        return
    rows = [
        ("log", found.origin),
        ("entries", f"{found.size:,}"),
        ("signed", f"{found.signed:,}"),
        ("root", found.root),
        ("verifier key", found.vkey),
    ]
    out.print_table(out.table("", ("", " "), rows))


@ledger.command("verify")
def verify(
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FOLDER", help="Check an export, not the store of the configuration."
        ),
    ] = None,
    vkey: Annotated[
        str,
        typer.Option(
            "--vkey", metavar="KEY", help="The log's verifier key, for an export (else that of the store)."
        ),
    ] = "",
    pushed: Annotated[
        list[Path] | None,
        typer.Option(
            "--pushed",
            metavar="FILE",
            help="Checkpoints that left the machine earlier: one, or a witness's file.",
        ),
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Recompute the whole log, every signature in it included. Exit status 1 names what does not hold."""
    notes = [note for file in pushed or () for note in _notes(file)]
    report, signatures = asyncio.run(_verified(config_path(config), export, vkey, notes))
    if json:
        out.json(_as_json(report, signatures))
    else:
        _print(report, signatures)
    if not report.ok:
        raise typer.Exit(1)


async def _verified(
    config: Path, export: Path | None, vkey: str, pushed: Sequence[bytes]
) -> tuple[Report, int]:
    from interlock.cli.offline import opened
    from interlock.cli.signatures import SignatureCheck
    from interlock.ledger.verify import verify_export
    from interlock.runtime.stores.log.export import FolderExport

    if export and vkey:
        key = _key(vkey)
        check = SignatureCheck(key.name)
        return verify_export(FolderExport(export), key, pushed, [check]), check.checked
    async with opened(config) as store:
        check = SignatureCheck(store.origin)
        if export:
            return verify_export(FolderExport(export), store.verifier, pushed, [check]), check.checked
        return await store.verify(pushed, [check]), check.checked


def _key(vkey: str) -> VerifierKey:
    try:
        return parse_vkey(vkey)
    except NoteError as error:
        raise typer.BadParameter(str(error), param_hint="--vkey") from None


def _as_json(report: Report, signatures: int) -> object:
    checkpoint = report.checkpoint
    return {
        "ok": report.ok,
        "signatures": signatures,
        "size": checkpoint.size if checkpoint else None,
        "root": checkpoint.root.hex() if checkpoint else None,
        "findings": [
            {"problem": f.problem.value, "message": f.message, "index": f.index} for f in report.findings
        ],
    }


def _print(report: Report, signatures: int) -> None:
    if report.ok and report.checkpoint:
        size, root = report.checkpoint.size, report.checkpoint.root.hex()
        people = f"{out.count(signatures, 'signature')} of people"
        out.say(
            f"The log verifies: {out.count(size, 'signed entry')} with {people}, root {root[:16]}…",
            style="bold green",
        )
        return
    out.say("The log does NOT verify:", style="bold red")
    for finding in report.findings[:MOST_SHOWN]:
        out.console().print(out.shown(f"  {finding.message}"))
    if left := len(report.findings) - MOST_SHOWN:
        out.say(f"  … and {left} more findings" if left > 0 else "")


@ledger.command("prove")
@asks
def prove(
    asked: Asked,
    index: Annotated[int, typer.Argument(metavar="INDEX", min=0, help="Which entry.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the proof here.")
    ] = None,
) -> None:
    """Prove that an entry is in the log (c2sp.org/tlog-proof), checked here before it is shown."""
    from interlock.ledger.proof import parse_proof, verify_proof

    server = asked.connect()
    vkey = server.get("/api/v1/ledger/head", LedgerHead).vkey
    found = server.get("/api/v1/ledger/entries", LedgerEntries, start=index, limit=1).entries
    if not found:
        raise Rejected(f"the log has no entry {index}")
    proof = server.raw(f"/api/v1/ledger/proof?index={index}")
    try:
        checkpoint = verify_proof(parse_proof(proof), found[0].entry, parse_vkey(vkey))
    except NoteError as error:
        raise Rejected(f"the server's proof does not hold: {error}") from None
    if output:
        _write(output, proof)
    if asked.json:
        out.json(
            {
                "index": index,
                "size": checkpoint.size,
                "vkey": vkey,
                "entry": found[0].entry,
                "proof": proof.decode(),
            }
        )
        return
    if words := _in_words(found[0].entry):
        out.say(words)
    out.console().print(out.shown(found[0].entry.decode()))
    out.say(
        f"Entry {index} is in the log of {out.count(checkpoint.size, 'entry')} signed by {vkey}",
        style="bold green",
    )
    if not output:
        out.say(proof.decode())


@ledger.command("export")
def export_log(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Write the signed log into a folder that anyone can verify with `interlock ledger verify --export FOLDER --vkey KEY`."""
    size, vkey = asyncio.run(_export(config_path(config), folder))
    if json:
        out.json({"folder": str(folder), "size": size, "vkey": vkey})
        return
    out.say(f"wrote {out.count(size, 'entry')} to {folder}")
    out.say(f"verifier key: {vkey}")


async def _export(config: Path, folder: Path) -> tuple[int, str]:
    from interlock.cli.offline import opened

    async with opened(config) as store:
        checkpoint = await store.export(folder)
        return checkpoint.size, str(store.verifier)


def _notes(file: Path) -> Sequence[bytes]:
    found = split_notes(_read(file))
    if not found:
        raise Misconfigured(f"there is no checkpoint in {file}")
    return found


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Misconfigured(f"cannot read {file}: {error.strerror}") from None


def _write(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise Rejected(f"cannot write {file}: {error.strerror}") from None


def _in_words(entry: bytes) -> str:
    """What a breaker's entry says; empty for the others, which say it themselves."""
    from interlock.control.signals.said import signal_words

    try:
        decoded = msgspec.json.decode(entry, type=_Entry)
    except msgspec.MsgspecError:
        return ""
    body = decoded.body
    if decoded.kind != "breaker" or not body.signal:
        return ""
    after = f" after {', '.join(body.changes)}" if body.changes else ""
    return visible(f"The breaker {body.scope} opened by itself{after}: {signal_words(body.signal)}.")


class _Body(msgspec.Struct):
    scope: str = ""
    signal: str = ""
    changes: list[str] = []


class _Entry(msgspec.Struct):
    kind: str
    body: _Body
