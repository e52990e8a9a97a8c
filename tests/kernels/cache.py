# SPDX-License-Identifier: GPL-2.0-or-later
"""Where long-lived build results are kept, outside the checkout, and how processes share that place."""
import contextlib
import fcntl
import os
import shutil
import sys


def root():
    """The cache directory: $RAMSTER_CACHE, or ramster/ in the user's cache directory."""
    named = os.environ.get("RAMSTER_CACHE")
    if named:
        return os.path.abspath(named)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "ramster")


def say(who, text):
    print(f"{who}: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(path, who):
    """Holds path as an exclusive lock; says so when it has to wait for another process."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(who, f"waiting for another build ({path})")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def replacing(path):
    """Yields a new name beside path, which takes path's place if the block ends well and goes if it does not."""
    new = f"{path}.new"
    remove(new)
    try:
        yield new
        if os.path.isdir(path):
            remove(path)
        os.rename(new, path)
    finally:
        remove(new)


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def read(path):
    """The file's text, or None if there is none."""
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(path, text):
    with replacing(path) as new, open(new, "w") as file:
        file.write(text)
