"""The folder in which the servers keep their data, logs and secrets."""

import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

from pricing_site.embedded.errors import HomeInUseError


def lock_home(home: Path) -> IO[str]:
    """Take the folder for this process until the returned file is closed or the process ends.

    Raises HomeInUseError at once if another launcher has it.
    """
    home.mkdir(parents=True, exist_ok=True)
    lock = (home / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise HomeInUseError(
            f"{home} is in use by process {owner}: stop that one first, or choose another folder with --home."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def secret_kept_in(path: Path) -> str:
    """Return the secret in this file; the first call makes it up. Only the file's owner can read it."""
    if not path.exists():
        unfinished = path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        unfinished.rename(path)
    return path.read_text()
