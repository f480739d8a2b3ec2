"""The machine that the numbers belong to."""

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import interlock

_BLOCK = bytes(4096)


def fsyncs_per_second(folder: Path, seconds: float) -> float:
    """How often a second the disk makes 4 KiB durable that are appended to a file of this folder (write, fsync)."""
    path = folder / "fsync-probe"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        count, begun = 0, time.perf_counter()
        while (took := time.perf_counter() - begun) < seconds:
            os.write(handle, _BLOCK)
            os.fsync(handle)
            count += 1
        return count / took
    finally:
        os.close(handle)
        path.unlink()


def describe(postgres: Path, pooler: Path | None) -> dict[str, str]:
    """What matters about it and the programs, for people."""
    return {
        **itself(),
        "PostgreSQL": said(str(postgres), "--version").removeprefix("postgres (PostgreSQL) "),
        "pgbouncer": said(str(pooler), "--version").split("\n")[0].removeprefix("PgBouncer ")
        if pooler
        else "not installed: skipped",
        "Interlock": ours("uvloop", "cedarpy", "SQLAlchemy", "pglast"),
    }


def itself() -> dict[str, str]:
    """The machine, and how busy it is."""
    return {
        "CPU": f"{os.cpu_count()} cores, {_cpu()}",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
    }


def ours(*packages: str) -> str:
    """Which Interlock, with which packages."""
    return f"{interlock.__version__} ({', '.join(f'{name} {version(name)}' for name in packages)})"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def said(*command: str) -> str:
    """What a program prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
