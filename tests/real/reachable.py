"""A gateway whose API and admin socket are served too, and programs run through it with `interlock run`."""

import os
import subprocess
import sys
from pathlib import Path

from interlock.console.app import doors
from interlock.testing.gateway import PATIENCE_S, Gateway


class Reachable(Gateway):
    """See the module."""

    make_app = staticmethod(doors())

    @property
    def url(self) -> str:
        """Where the API is reached."""
        return f"http://{self._server.addresses[1]}"

    def begin(
        self,
        *words: str,
        token: str | None = None,
        who: bool = True,
        cwd: Path | None = None,
        **environment: str,
    ) -> "subprocess.Popen[str]":
        """`interlock run` with these words, as a process. Without `who` it is not told that it is `bot` on `shop`."""
        agent = ["--agent", "bot", "--target", "shop"] if who else []
        given = {"INTERLOCK_TOKEN": self.tokens["bot"] if token is None else token, **environment}
        return subprocess.Popen(
            [sys.executable, "-m", "interlock", "run", "-c", str(self.file.absolute()), *agent, *words],
            env={**os.environ, "COLUMNS": "80", **given},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Exit status, output and errors of a process, when it has ended."""
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err
