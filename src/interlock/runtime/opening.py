"""What must be in order on this machine before anything is served: the state directory, the master key, the store."""

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from interlock.model.errors import Misconfigured
from interlock.runtime.config.document import Config
from interlock.runtime.crypto import MasterKey, master_key_from_file, parse_master_key
from interlock.runtime.stores import SqlStore, open_store

MASTER_KEY = "master.key"
CHECKPOINT = "checkpoint"


def make_state_dir(folder: Path) -> None:
    """Make it, for its owner alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"state_dir: {folder} cannot be made: {error.strerror}") from None


def check_state_dir(folder: Path) -> None:
    """Raise Misconfigured when it is missing, not ours, or open to others: the admin socket and the master key lie in it."""
    try:
        found = folder.stat()
    except OSError as error:
        raise Misconfigured(f"state_dir: {folder}: {error.strerror}; `interlock init` makes it") from None
    if found.st_uid != os.getuid():
        raise Misconfigured(f"state_dir: {folder} belongs to another user (uid {found.st_uid})")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise Misconfigured(f"state_dir: {folder} is open to others: chmod 700 {folder}")


def master_key(config: Config, *, create: bool = False) -> MasterKey:
    """The configured master key, or the file in the state directory. Raises Misconfigured or Unavailable."""
    if config.master_key is not None:
        return parse_master_key(config.master_key())
    return master_key_from_file(config.state_dir / MASTER_KEY, create=create)


def open_configured(config: Config, *, create: bool = False, upgrade: bool = False) -> SqlStore:
    """Open the store of a configuration. Blocks. `create` makes store and master key where there is none (`interlock init`),
    `upgrade` migrates an older schema (`interlock migrate`)."""
    if create:
        make_state_dir(config.state_dir)
    check_state_dir(config.state_dir)
    return open_store(
        config.store,
        master_key(config, create=create),
        create=create,
        upgrade=upgrade,
        origin=config.origin or None,
        remember=config.state_dir / CHECKPOINT,
    )


@contextlib.contextmanager
def only_server(folder: Path) -> Iterator[None]:
    """Hold the state directory: two servers must not recover each other's work. Raises Misconfigured when one runs already."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(f"a server is running on {folder} already") from None
        yield
    finally:
        os.close(handle)


def gateway_name(folder: Path) -> str:
    """This gateway's own name, the same after a restart: what it was executing when it died is its own to recover."""
    path = folder / "gateway"
    try:
        name = path.read_text("ascii").strip()
    except FileNotFoundError:
        name = secrets.token_hex(8)
        path.write_text(name + "\n", "ascii")
        path.chmod(0o600)
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"state_dir: {path} cannot be read ({type(error).__name__})") from None
    if not name:
        raise Misconfigured(f"state_dir: {path} is empty; remove it")
    return name
