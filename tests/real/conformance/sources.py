"""The suites' source distributions and their own environments, made when they are first needed, below `.cache/conformance/`."""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.real.conformance.suite import Suite

ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".cache" / "conformance"
_PATIENCE_S = 1800


class Unfetched(Exception):
    """A distribution, or what its environment needs, cannot be had here; the text says which and why."""


def at_hand(suite: Suite) -> bool:
    """Whether nothing would have to be fetched."""
    environment = _environment(suite) / "needs.txt"
    fresh = not suite.needs or (environment.exists() and environment.read_text("utf-8") == _needs(suite))
    return fresh and (not suite.fetched or _unpacked(suite).exists())


def _unpacked(suite: Suite) -> Path:
    return CACHE / "sources" / f"{suite.name}-{suite.version}"


def _environment(suite: Suite) -> Path:
    return CACHE / "environments" / f"{suite.name}-{suite.version}"


def _needs(suite: Suite) -> str:
    return "\n".join(suite.needs)


def source(suite: Suite) -> Path:
    """The unpacked distribution. Raises Unfetched."""
    if not suite.fetched:
        return _made(CACHE)
    unpacked = _unpacked(suite)
    if not unpacked.exists():
        with tempfile.TemporaryDirectory(dir=_made(CACHE / "sources")) as folder:
            archive = _download(suite, Path(folder))
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")
            (top,) = (p for p in Path(folder).iterdir() if p.is_dir())
            top.rename(unpacked)
    return unpacked


def _download(suite: Suite, folder: Path) -> Path:
    wanted = f"{suite.name}=={suite.version}"
    # Before it says what it has fetched, pip has the distribution build its metadata.
    _run("-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder), wanted)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def python(suite: Suite) -> Path:
    """The interpreter of the suite's own environment. Raises Unfetched."""
    if not suite.needs:
        return Path(sys.executable)
    folder, needs = _environment(suite), _needs(suite)
    _made(folder.parent)
    interpreter, done = folder / "bin" / "python", folder / "needs.txt"
    if not done.exists() or done.read_text("utf-8") != needs:
        _run("-m", "venv", "--clear", str(folder))
        _run("-m", "pip", "--python", str(interpreter), "install", "-q", *suite.needs)
        done.write_text(needs, "utf-8")
    return interpreter


def _run(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    if done.returncode:
        raise Unfetched(f"{' '.join(words[:4])} … failed: {done.stderr.strip()[-500:]}")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
