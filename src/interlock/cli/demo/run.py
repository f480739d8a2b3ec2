"""Runs the demo."""

import signal
import threading
from collections.abc import Callable

from rich.text import Text

from interlock.cli.demo.show import Teller
from interlock.cli.demo.stage import Failed, Stage, stage
from interlock.cli.demo.steps import Story


def run(*, serve: bool = False) -> int:
    """Tell the story; with `serve` leave everything running afterwards until interrupted. 0 when every step came out."""
    teller = Teller()
    teller.say("Starting PostgreSQL, the shop and Interlock …")
    try:
        return _told(teller, serve=serve)
    except Failed as failed:
        teller.console.print(Text(f"The demo could not start: {failed}", style="bold red"))
        return 1


def _told(teller: Teller, *, serve: bool) -> int:
    with stage() as made:
        ok = all(step(teller, title, what) for title, what in Story(made, teller).steps())
        teller.table()
        if serve and ok:
            _leave_running(teller, made)
        status = made.stop()
        if status:
            teller.say(f"the server ended with status {status}")
    return 0 if ok and not status else 1


def step(teller: Teller, title: str, what: Callable[[], str]) -> bool:
    """Run one step, and say how it came out."""
    teller.begin(title)
    try:
        teller.end(what())
    except Failed as failed:
        teller.end(str(failed), ok=False)
        return False
    return True


def _leave_running(teller: Teller, made: Stage) -> None:
    console = teller.console
    console.print(Text("\nEverything is left running; end it with Ctrl-C.", style="bold"))
    for agent in made.tokens:
        console.print(Text(f"  psql '{made.dsn(agent)}'"), soft_wrap=True)
    console.print(Text(f"  the server itself: psql '{made.database.dsn()}'"), soft_wrap=True)
    console.print(Text(f"  export INTERLOCK_CONFIG={made.folder / 'interlock.yaml'}"), soft_wrap=True)
    console.print(
        Text(f"  interlock changes; interlock approve CHG --as ann --key {made.key('ann')}"), soft_wrap=True
    )
    console.print(Text(f"  the console: http://127.0.0.1:{made.api}/console/"), soft_wrap=True)
    console.print(
        Text("  a passkey for it: interlock people invite ann, then interlock people confirm ann CODE"),
        soft_wrap=True,
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
