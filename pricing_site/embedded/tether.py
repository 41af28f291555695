"""Start a program whose life is tied to its parent's: the kernel signals it when the parent dies, even by kill -9.

Run as a script, ``python tether.py PARENT_PID SIGNAL USER PROGRAM [ARGUMENT ...]``, it sets itself up and then becomes
PROGRAM. That is done here and not in ``subprocess``'s ``preexec_fn`` because the latter may dead-lock once there are
threads. Only the standard library is used: the interpreter is started bare, in about 15 ms.

The kernel looks at the parent *thread*: start tethered programs from a thread that lives as long as the process.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWUSER = 0x10000000

SAME_USER = "same"
NAMESPACE_USER = "namespace"


def tethered(command: list[str], *, on_parent_death: signal.Signals, user: str = SAME_USER) -> list[str]:
    """Return the command line that runs ``command`` tethered to this process.

    ``user`` is SAME_USER, NAMESPACE_USER (root appears to the program as an ordinary user that owns root's files), or
    a numeric user id to change to.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(on_parent_death)), user, *command]


def signal_on_parent_death(number: int, *, parent: int) -> None:
    """Ask the kernel for this signal when ``parent`` dies; end at once if it is dead already."""
    prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(128 + number)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent dies."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def become(user: str) -> None:
    if user == NAMESPACE_USER:
        enter_user_namespace()
    elif user != SAME_USER:
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))


def enter_user_namespace() -> None:
    """Appear as user and group 1000 while staying this user outside, so that files need no change of owner."""
    uid, gid = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, content in (("setgroups", "deny"), ("uid_map", f"1000 {uid} 1"), ("gid_map", f"1000 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(content)


def main() -> None:
    parent, number, user, *command = sys.argv[1:]
    become(user)
    # After the change of user, which would reset it.
    signal_on_parent_death(int(number), parent=int(parent))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
