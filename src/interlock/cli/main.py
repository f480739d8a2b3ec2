"""The command `interlock`."""

import sys

import typer

from interlock import __version__
from interlock.cli import out
from interlock.cli.client import Waits
from interlock.cli.commands import ledger, notify, policy, service, status
from interlock.cli.commands.agents import environments, run
from interlock.cli.commands.stopping import halting, switches
from interlock.cli.commands.systems import protect, setup, targets, trash
from interlock.cli.commands.who import enrolling, governing, principals
from interlock.cli.commands.work import break_glass, changes, deciding, waiting
from interlock.model.errors import InterlockError

app = typer.Typer(
    name="interlock",
    help="The safety control plane between AI agents and production.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        out.say(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """The safety control plane between AI agents and production."""


_PLAIN = (
    setup.init,
    governing.govern,
    service.serve,
    service.doctor,
    service.demo,
    status.report,
    service.migrate,
    service.backup,
    service.restore,
    changes.proposals,
    changes.changes,
    changes.show,
    changes.approve,
    changes.deny,
    deciding.unapprove,
    deciding.comment,
    changes.withdraw,
    changes.apply,
    changes.revert,
    waiting.wait,
    switches.freeze,
    switches.thaw,
    halting.halt,
    halting.resume,
)
for command in _PLAIN:
    app.command(command.__name__)(command)
# What follows the program's name is the program's, with or without a `--` before.
app.command("run", context_settings={"allow_interspersed_args": False})(run.run)
setup.postgres.command("protect")(protect.protect)
setup.postgres.command("unprotect")(protect.unprotect)
principals.people.command("invite")(enrolling.invite_person)
principals.people.command("confirm")(enrolling.confirm_person)
principals.people.command("revoke-passkey")(enrolling.revoke_passkey)
principals.people.command("unlink")(enrolling.unlink_login)
principals.people.command("waiting")(enrolling.list_waiting)
principals.agents.command("aws-env")(environments.aws_env)
for name, group in {
    "postgres": setup.postgres,
    "keys": setup.keys,
    "propose": governing.propose,
    "people": principals.people,
    "agents": principals.agents,
    "grants": principals.grants,
    "break-glass": break_glass.glass,
    "breaker": switches.breaker,
    "notify": notify.notify,
    "ledger": ledger.ledger,
    "policy": policy.policy,
    "targets": targets.targets,
    "trash": trash.trash,
}.items():
    app.add_typer(group, name=name)


def main() -> None:
    """Run; exit status 0 done, 1 refused or failed, 2 usage (`run` has that of its program, `wait` 124 when the time is over)."""
    try:
        app()
    except Waits as waits:
        # Not an error: it was asked for, and admins have it before them now.
        governing.print_held(waits.held, json="--json" in sys.argv)
        sys.exit(0)
    except InterlockError as error:
        out.errors().print(out.shown(f"interlock: {error}"), style="red")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`): nobody is left to complain to.
        sys.stderr.close()
        sys.exit(1)
