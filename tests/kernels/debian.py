# SPDX-License-Identifier: GPL-2.0-or-later
"""
Debian packages, fetched into the cache through a private apt configuration. The host's sources and package database
are only read: they say where this machine gets Debian from. Works as root and as any user.
"""
import fnmatch
import hashlib
import os
import re
import subprocess
import tempfile
import time

import cache

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LISTS_FRESH_SECONDS = 24 * 3600


class Error(Exception):
    pass


def _host_repositories():
    """(repository URI, suite, is it known to be Debian) of every package index that the host's apt knows."""
    text = subprocess.run(["apt-get", "indextargets", "--format",
                           "$(CREATED_BY)|$(REPO_URI)|$(CODENAME)|$(RELEASE)|$(ORIGIN)"],
                          check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        kind, uri, codename, release, origin = line.split("|")
        if kind == "Packages" and not uri.startswith("cdrom:") and origin in ("Debian", "", "$(ORIGIN)"):
            yield uri, (release if codename in ("", "$(CODENAME)") else codename), origin == "Debian"


def _repository(suite):
    """The URI of the repository that holds suite: security suites have their own."""
    def is_security(name):
        return name.endswith("-security") or "/" in name

    found = sorted(_host_repositories(), key=lambda repo: not repo[2])
    for uri, host_suite, _ in found:
        if is_security(host_suite) == is_security(suite):
            return uri
    # A machine without security updates: they stand beside the release on its mirror, by convention.
    for uri, _, _ in found:
        if is_security(suite) and uri.rstrip("/").endswith("/debian"):
            return uri.rstrip("/") + "-security/"
    kind = "Debian security" if is_security(suite) else "Debian"
    raise Error(f"apt on this machine has no {kind} repository (needed for {suite}); add one to its sources")


def host_suites():
    """The suites of this machine's own Debian release."""
    return sorted({suite for _, suite, _ in _host_repositories() if not suite.endswith("-backports")})


class Archive:
    """The packages of some suites of Debian."""

    def __init__(self, suites, who):
        self.who = who
        sources = "".join(f"Types: deb\nURIs: {_repository(suite)}\nSuites: {suite}\nComponents: main\n"
                          f"Signed-By: {KEYRING}\n\n" for suite in suites)
        self.state = os.path.join(cache.root(), "apt", hashlib.sha256(sources.encode()).hexdigest()[:16])
        for directory in ("lists/partial", "archives/partial"):
            os.makedirs(os.path.join(self.state, directory), exist_ok=True)
        cache.write(os.path.join(self.state, "debian.sources"), sources)
        self.suites = suites

    def _apt(self, *command, cwd=None):
        options = {
            "Dir::Etc::sourcelist": os.path.join(self.state, "debian.sources"),
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": self.state,
            "Dir::State::lists": os.path.join(self.state, "lists"),
            "Dir::State::status": "/dev/null",
            "Dir::Cache": self.state,
            "Acquire::Languages": "none",
            "APT::Sandbox::User": "root",
            "APT::Default-Release": "",
            "APT::Install-Recommends": "false",
        }
        arguments = [text for item in options.items() for text in ("-o", "=".join(item))]
        done = subprocess.run([command[0], "-q"] + arguments + list(command[1:]), cwd=cwd,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("E:")] or [done.stderr.strip()]
            raise Error(f"{' '.join(command)}: {lines[0]}")
        return done.stdout

    def update(self):
        stamp = os.path.join(self.state, "updated")
        try:
            if time.time() - os.stat(stamp).st_mtime < LISTS_FRESH_SECONDS:
                return
        except FileNotFoundError:
            pass
        cache.say(self.who, f"reading the package lists of {', '.join(self.suites)}")
        self._apt("apt-get", "update", "-o", "APT::Update::Error-Mode=any")
        cache.write(stamp, "")

    def closure(self, packages):
        """The packages and all that they depend on, by name."""
        self.update()
        text = self._apt("apt-get", "install", "--simulate", *packages)
        return sorted(re.findall(r"^Inst (\S+)", text, re.MULTILINE))

    def fetch(self, package, directory):
        """
        The path of the package's .deb in directory, downloaded if no version of it is there. A cached one is used as
        it is, so that a second run needs no network.
        """
        self.fetch_all([package], directory)
        return find(package, directory)

    def fetch_all(self, packages, directory):
        """As fetch, for many packages at once."""
        packages = [package for package in packages if not find(package, directory)]
        if not packages:
            return
        self.update()
        os.makedirs(directory, exist_ok=True)
        records = self._apt("apt-cache", "show", "--no-all-versions", *packages)
        sizes = re.findall(r"^Size: (\d+)", records, re.MULTILINE)
        what = packages[0] if len(packages) == 1 else f"{len(packages)} packages"
        cache.say(self.who, f"downloading {what} ({sum(map(int, sizes)) / 1e6:.1f} MB, kept in {directory})")
        with tempfile.TemporaryDirectory(dir=directory) as work:
            self._apt("apt-get", "download", *packages, cwd=work)
            for name in os.listdir(work):
                os.rename(os.path.join(work, name), os.path.join(directory, name))


def find(package, directory):
    """The path of a .deb of package in directory, or None."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    names = fnmatch.filter(names, f"{package}_*.deb")
    return os.path.join(directory, sorted(names)[-1]) if names else None


def unpack(deb, directory):
    """Unpacks the package's files below directory, through links there to directories; none of its scripts run."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as tar:
        subprocess.run(["tar", "--extract", "--no-same-owner", "--keep-directory-symlink", "--directory", directory],
                       stdin=tar.stdout, check=True)
    if tar.returncode:
        raise Error(f"{deb} is damaged; remove it and try again")
