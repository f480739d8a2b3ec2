"""Checking policies and their test cases, without a server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli import out
from interlock.cli.options import Config, Json, config_path
from interlock.model.errors import Misconfigured

if TYPE_CHECKING:
    from interlock.policy.load import Sources
    from interlock.runtime.config.document import Config as Loaded

policy = typer.Typer(no_args_is_help=True, help="Policies: check them, and test what they decide.")


@policy.command("check")
def check(config: Config = None, json: Json = False) -> None:
    """Check the policies: do they load, and can each mean what it says?"""
    from interlock.policy.checks.lint import lint
    from interlock.runtime.config.document import load

    loaded = load(config_path(config))
    known = {"Target": list(loaded.targets), "Environment": list(loaded.environments)}
    found = lint(_sources(loaded), known=known)
    if json:
        out.json({"findings": found})
    else:
        rows = [(f.level, f"{f.file}{': ' + f.policy if f.policy else ''}", f.what, f.fix) for f in found]
        if rows:
            out.print_table(out.table("", ("level", "where", "what", "mend"), rows))
        else:
            names = sorted(name for name in _sources(loaded).extra if name.endswith(".cedar"))
            beside = f" and {', '.join(names)}" if names else ""
            shipped = "" if loaded.guardrails == "none" else "the shipped guardrails"
            out.say(f"Nothing to find fault with in {shipped + beside or 'no policies at all'}.")
    if any(f.level == "error" for f in found):
        raise typer.Exit(1)


@policy.command("test")
def try_cases(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE.toml]…", help="Files of cases, else all beside the policies."),
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Decide test cases, and tell which come out in another way than they should."""
    from interlock.policy.checks import cases
    from interlock.policy.engine import Engine
    from interlock.runtime.config.document import load

    loaded = load(config_path(config))
    sources = _sources(loaded)
    engine = Engine.load(
        limits=sources.limits,
        quorums=sources.quorums,
        extra_texts=sources.extra,
        guardrails=sources.guardrails,
        fragments=sources.fragments,
    )
    wanted = list(files or ()) or sorted(loaded.policies.glob("*.toml") if loaded.policies else ())
    if not wanted:
        raise Misconfigured("there are no test cases: name files, or put *.toml beside the policies")
    results = [result for file in wanted for result in cases.run(engine, file.name, _text(file))]
    failed = [result for result in results if not result.passed]
    if json:
        out.json(
            {
                "results": [
                    {"file": r.file, "case": r.case, "passed": r.passed, "what": r.what} for r in results
                ]
            }
        )
    else:
        rows = [("ok" if r.passed else "FAILED", r.file, r.case, r.what) for r in results]
        out.print_table(out.table("", ("", "file", "case", "what"), rows))
        out.say(
            f"{len(results) - len(failed)} passed, {len(failed)} failed",
            style="bold red" if failed else "bold green",
        )
    if failed:
        raise typer.Exit(1)


def _sources(loaded: "Loaded") -> "Sources":
    """All texts that decide, as the server would read them."""
    from interlock.policy.load import Sources
    from interlock.runtime.rules.policies import read_texts
    from interlock.runtime.targets import connectors

    names = sorted({target.connector for target in loaded.targets.values()})
    fragments = {name: connectors.load(name).schema() for name in names}
    quorums = tuple(loaded.quorums.values())
    return Sources(loaded.limits, loaded.guardrails, read_texts(loaded.policies), fragments, quorums)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file} cannot be read ({type(error).__name__})") from None
