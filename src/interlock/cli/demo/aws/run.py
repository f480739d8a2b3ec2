"""Runs the demo on AWS."""

from rich.text import Text

from interlock.cli.demo.aws.stage import stage
from interlock.cli.demo.aws.steps import Story
from interlock.cli.demo.run import step
from interlock.cli.demo.show import Teller
from interlock.cli.demo.stage import Failed


def run() -> int:
    """Tell the story; 0 when every step came out."""
    teller = Teller()
    teller.say("Starting an AWS account (moto), its production environment and Interlock …")
    try:
        with stage() as made:
            ok = all(step(teller, title, what) for title, what in Story(made, teller).steps())
            teller.table()
            status = made.stop()
    except Failed as failed:
        teller.console.print(Text(f"The demo could not start: {failed}", style="bold red"))
        return 1
    if status:
        teller.say(f"the server ended with status {status}")
    return 0 if ok and not status else 1
