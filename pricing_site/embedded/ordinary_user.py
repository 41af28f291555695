"""Which user a program runs as that refuses to run as root."""

import os
import pwd
import signal
import subprocess

from pricing_site.embedded.tether import NAMESPACE_USER, SAME_USER, tethered

NOBODY = 65534


def ordinary_user() -> str:
    """Return ``tethered``'s ``user``: for root a user namespace or, where those are forbidden, a user id."""
    if os.geteuid() != 0:
        return SAME_USER
    return NAMESPACE_USER if namespaces_work() else str(spare_user_id())


def namespaces_work() -> bool:
    trial = tethered(["true"], on_parent_death=signal.SIGKILL, user=NAMESPACE_USER)
    return subprocess.run(trial, stderr=subprocess.DEVNULL, check=False).returncode == 0


def spare_user_id() -> int:
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return NOBODY
