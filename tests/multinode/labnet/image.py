# SPDX-License-Identifier: GPL-2.0-or-later
"""The root file system that all nodes share, and the lab's two C programs: built when needed, kept in the cache."""
import glob
import hashlib
import os
import shutil
import subprocess
import tempfile

from . import paths

import cache
import debian

WHO = "lab"
IMAGE_SIZE = 512 << 20
CFLAGS = ("-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-D_GNU_SOURCE")
LIBRARIES = ("lib", "zlib")  # how the names of library packages begin
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
DIRECTORIES = ("dev", "proc", "sys", "run", "tmp", "root", "mnt", "etc/ramster", "var/lib/redis", "var/log",
               "usr/local/bin")
USELESS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/bash-completion",
           "usr/share/lintian", "usr/share/augeas", "usr/share/bug", "usr/lib/systemd", "usr/share/perl5",
           "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/x86_64-linux-gnu/perl-base", "usr/lib/x86_64-linux-gnu/perl")
ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nramster-lender:x:998:998:RAMster lender:/:/bin/false\n"
              "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": "root:x:0:\nramster:x:997:\nramster-lender:x:998:\nnogroup:x:65534:\n",
    "profile": "PS1='\\h:\\w# '\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


def _hash(*items):
    digest = hashlib.sha256()
    for item in items:
        digest.update(hashlib.sha256(item.encode()).digest())
    return digest.hexdigest()[:20]


def _source(name):
    return os.path.join(paths.SOURCES, name)


def _directory():
    return os.path.join(cache.root(), "lab")


def _program(name, sources, *flags):
    """The path of the program that the C files among the sources make."""
    texts = [cache.read(_source(source)) for source in sources]
    path = os.path.join(_directory(), f"{name}-{_hash(*texts, *CFLAGS, *flags)}")
    if not os.path.exists(path):
        with cache.replacing(path) as new:
            files = [_source(source) for source in sources if source.endswith(".c")]
            subprocess.run([os.environ.get("CC", "gcc"), *CFLAGS, *flags, "-o", new, *files], check=True)
        _forget_older(f"{name}-*", path)
    return path


def _forget_older(pattern, keep):
    """Files of earlier builds go, but not those that a lab may still be using."""
    for path in glob.glob(os.path.join(_directory(), pattern)):
        if path != keep and os.stat(path).st_mtime < os.stat(keep).st_mtime - 24 * 3600:
            cache.remove(path)


def switch():
    with cache.locked(os.path.join(_directory(), "lock"), WHO):
        return _program("switch", ["switch.c", "vhost.c", "vhost.h"])


def tsc():
    with cache.locked(os.path.join(_directory(), "lock"), WHO):
        return _program("tsc", ["tsc.c"])


def root(kernel):
    """The path of the image with the modules of this (built) kernel."""
    with cache.locked(os.path.join(_directory(), "lock"), WHO):
        agent = _program("agent", ["agent.c", "agent.h"], "-static")
        key = _hash(agent, cache.read(_source("packages.txt")), cache.read(_source("init")), cache.read(__file__),
                    cache.read(os.path.join(kernel.directory, "done")))
        path = os.path.join(_directory(), f"root-{kernel.name}-{key}.img")
        if not os.path.exists(path):
            debs = _packages()
            cache.say(WHO, f"making the nodes' root file system (kept in {_directory()})")
            with cache.replacing(path) as new, tempfile.TemporaryDirectory(dir=_directory()) as tree:
                _fill(tree, debs, agent, kernel)
                _make_file_system(tree, new)
            _forget_older(f"root-{kernel.name}-*.img", path)
    return path


def _packages():
    """The paths of all the packages that go into the image."""
    wanted = [line for line in cache.read(_source("packages.txt")).splitlines() if line and not line.startswith("#")]
    directory = os.path.join(cache.root(), "packages")
    known = os.path.join(_directory(), f"closure-{_hash(*wanted, *LIBRARIES)}")
    names = (cache.read(known) or "").split()
    if not names:
        archive = debian.Archive(debian.host_suites(), WHO)
        # Libraries are all that is wanted of the rest: no shells, interpreters, or service managers.
        names = [name for name in archive.closure(wanted) if name in wanted or name.startswith(LIBRARIES)]
        archive.fetch_all(names, directory)
        cache.write(known, "\n".join(names))
    missing = [name for name in names if not debian.find(name, directory)]
    if missing:
        debian.Archive(debian.host_suites(), WHO).fetch_all(missing, directory)
    return [debian.find(name, directory) for name in names]


def _fill(tree, debs, agent, kernel):
    for link, target in LINKS.items():
        os.makedirs(os.path.join(tree, target), exist_ok=True)
        os.symlink(target, os.path.join(tree, link))
    for deb in debs:
        debian.unpack(deb, tree)
    for useless in USELESS:
        cache.remove(os.path.join(tree, useless))
    for directory in DIRECTORIES:
        os.makedirs(os.path.join(tree, directory), exist_ok=True)
    for name, text in ETC.items():
        cache.write(os.path.join(tree, "etc", name), text)
    shutil.copy(agent, os.path.join(tree, "usr/sbin/agent"))
    cache.remove(os.path.join(tree, "usr/sbin/init"))
    shutil.copy(_source("init"), os.path.join(tree, "usr/sbin/init"))
    shutil.copytree(os.path.join(kernel.modules, "lib/modules"), os.path.join(tree, "usr/lib/modules"), symlinks=True)
    for link in glob.glob(os.path.join(tree, "usr/lib/modules/*/build")) + \
            glob.glob(os.path.join(tree, "usr/lib/modules/*/source")):
        os.unlink(link)
    _link_busybox(tree)


def _link_busybox(tree):
    """
    Every command of busybox that no package has brought. The shell is dash, because busybox's prefers its own commands
    to those of the packages.
    """
    cache.remove(os.path.join(tree, "usr/bin/sh"))
    os.symlink("dash", os.path.join(tree, "usr/bin/sh"))
    busybox = os.path.join(tree, "bin/busybox")
    for applet in subprocess.run([busybox, "--list-full"], check=True, capture_output=True, text=True).stdout.split():
        name = os.path.basename(applet)
        places = [os.path.join(tree, directory, name) for directory in ("usr/bin", "usr/sbin")]
        if not any(os.path.lexists(place) for place in places):
            os.symlink("/bin/busybox", places[1 if "sbin" in applet else 0])


def _make_file_system(tree, path):
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    with open(path, "wb") as file:
        file.truncate(IMAGE_SIZE)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0",
                    "-E", "root_owner=0:0,lazy_itable_init=1", "-d", tree, path], check=True, env=environment)
