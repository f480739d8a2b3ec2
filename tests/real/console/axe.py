"""axe-core (Deque), which finds what keeps people from using a page. `python -m tests.real.console.axe` fetches it with npm below
`.cache/conformance/`, and `make test` does so first. Tests skip without it."""

import shutil
import subprocess
import sys
from typing import Any

from playwright.sync_api import Page
from tests.real.conformance.sources import CACHE

FOLDER = CACHE / "axe"
PACKAGE = "axe-core@4.10.3"
SCRIPT = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa")


def violations(page: Page) -> list[str]:
    """What axe finds on the page as it is: each rule with the elements that break it."""
    page.evaluate(
        SCRIPT.read_text("utf-8")
    )  # by the debugger: the page's own policy allows no foreign script
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", list(RULES)
    )
    return [
        f"{each['id']}: {node['html'][:160]} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def fetch() -> int:
    """Fetch it; the exit status."""
    npm = shutil.which("npm")
    if npm is None:
        print("no npm here: pages are not examined with axe", file=sys.stderr)
        return 1
    if SCRIPT.exists():
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = ("install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", PACKAGE)
    return subprocess.run([npm, *wanted], cwd=FOLDER, check=False, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(fetch())
