"""The JavaScript tools that tests run. `python -m tests.real.node` fetches them with npm below `.cache/conformance/`, and
`make conformance` does so first. Tests skip what is not there."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.real.conformance.sources import CACHE

FOLDER = CACHE / "migrations"
PACKAGES = ("knex@3.3.0", "pg@8.23.1", "pg-cursor@2.22.0")


def tool(name: str) -> Path | None:
    """A tool's program; None where it has not been fetched, or there is no node."""
    program = FOLDER / "node_modules" / ".bin" / name
    return program if shutil.which("node") and program.exists() else None


def fetch() -> int:
    """Fetch all of them; the exit status."""
    npm = shutil.which("npm")
    if npm is None:
        print("no npm here: what needs it is left out", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = ("install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", *PACKAGES)
    return subprocess.run([npm, *wanted], cwd=FOLDER, check=False, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(fetch())
