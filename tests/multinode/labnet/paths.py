# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a lab keeps what."""
import contextlib
import fcntl
import os
import sys

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# The cache, Debian's packages and the kernels are looked after next door.
sys.path.insert(0, os.path.join(os.path.dirname(SOURCES), "kernels"))


def base():
    """The directory of this user's labs. Short: unix sockets are below it."""
    return os.environ.get("RAMSTER_LAB_DIR") or f"/tmp/ramster-lab-{os.getuid()}"


def state(name):
    """Sockets and disks of a lab that is up."""
    return os.path.join(base(), name)


def logs(name):
    """Consoles and logs of a lab; they stay when it is down, until the next lab of that name."""
    return os.path.join(base(), "logs", name)


def control(name):
    return os.path.join(state(name), "control")


@contextlib.contextmanager
def owned(name, wait):
    """
    Owns the lab's directories: its supervisor does while it runs. If somebody else does, waits for the end of that,
    or raises BlockingIOError. The lock's file goes with its owner, so what was locked may not be what is there now.
    """
    path = os.path.join(base(), f"{name}.lock")
    while True:
        lock = open(path, "w")
        with contextlib.ExitStack() as stack:
            stack.enter_context(lock)
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if not os.path.exists(path) or not os.path.samestat(os.stat(path), os.fstat(lock.fileno())):
                continue
            stack.callback(os.unlink, path)
            yield
            return
