# SPDX-License-Identifier: GPL-2.0-or-later
"""
The lab's kernels. A folder beside this file describes each: kernel.conf (below), *.patch, and optionally `config`,
whose options come after those of the common `config`.

    package = the Debian package with the source
    suites  = the Debian suites to look for it in
    build   = how far it is built if nobody asks for more: full (bzImage and modules), or prepare (enough to compile
              a module against)
    like    = another kernel, whose kernel.conf, patches and config come before this one's
    make    = what `make` is told besides when the kernel is compiled, not when a module is
    append  = what its command line has besides
    memory  = MiB that it takes more than the common one: nodes get them on top of what is asked for
    cpus    = how many CPUs nodes have at least
    patience = how many times longer than on the common one tests wait for something

A name with a - is that of a kernel that looks for mistakes. DEFAULT is what is meant where none is named.
"""
import glob
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

import cache
import debian

HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = ("package", "suites", "build", "like", "make", "append", "memory", "cpus", "patience")
DEFAULT = os.environ.get("RAMSTER_KERNEL") or "6.1"
TOOLS = ("make", "gcc", "flex", "bison", "bc", "xz", "tar", "patch", "cpio", "depmod")
PROGRESS_SECONDS = 20


class Error(Exception):
    pass


def names():
    return sorted(os.path.basename(os.path.dirname(path)) for path in glob.glob(f"{HERE}/*/kernel.conf"))


def _parse(path):
    values = {}
    with open(path) as file:
        for number, line in enumerate(file, 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            key, equals, value = (part.strip() for part in line.partition("="))
            if key not in KEYS or not equals or not value:
                raise Error(f"{path}:{number}: expected one of {', '.join(KEYS)}, then = and a value")
            values[key] = value
    return values


class Kernel:
    """One kernel: its description here, and its files in the cache."""

    def __init__(self, name):
        if name not in names():
            raise Error(f"unknown kernel {name} (known: {' '.join(names())})")
        self.name = name
        self.who = f"kernel {name}"
        conf = _parse(f"{HERE}/{name}/kernel.conf")
        like = Kernel(conf["like"]) if "like" in conf else None
        self.conf = {**(like.conf if like else {}), **conf}
        for key in ("package", "suites", "build"):
            if key not in self.conf:
                raise Error(f"{HERE}/{name}/kernel.conf: {key} is missing")
        if self.conf["build"] not in ("full", "prepare"):
            raise Error(f"{HERE}/{name}/kernel.conf: build is full or prepare, not {self.conf['build']}")
        self.make, self.append = self.conf.get("make", "").split(), conf.get("append", "")
        self.memory, self.cpus = int(conf.get("memory", 0)), int(conf.get("cpus", 1))
        self.patience = int(conf.get("patience", 1))
        self.patches = (like.patches if like else []) + sorted(glob.glob(f"{HERE}/{name}/*.patch"))
        own = f"{HERE}/{name}/config"
        self.configs = (like.configs if like else [f"{HERE}/config"]) + ([own] if os.path.exists(own) else [])

        self.directory = os.path.join(cache.root(), "kernels", name)
        self.build_dir = os.path.join(self.directory, "source")
        self.image = os.path.join(self.directory, "bzImage")
        self.modules = os.path.join(self.directory, "modules")
        self.log = os.path.join(self.directory, "build.log")

    @property
    def release(self):
        """What `uname -r` says on it."""
        return cache.read(os.path.join(self.build_dir, "include/config/kernel.release")).strip()

    def build(self, how=None):
        """
        Makes the kernel usable, `how` being full or prepare, doing only what is not in the cache yet; returns the
        kernel build directory.
        """
        full = (how or self.conf["build"]) == "full"
        with cache.locked(os.path.join(self.directory, "lock"), self.who):
            deb = debian.find(self.conf["package"], self._packages())
            if not deb or not self._is_done("built" if full else "prepared", self._key(deb, config=True)):
                self._check_tools()
                deb = deb or debian.Archive(self.conf["suites"].split(), self.who).fetch(
                    self.conf["package"], self._packages())
                self._step("unpacked", self._key(deb), lambda: self._unpack(deb))
                self._step("prepared", self._key(deb, config=True), self._prepare)
                if full:
                    self._step("built", self._key(deb, config=True), self._compile)
        return self.build_dir

    @staticmethod
    def _packages():
        return os.path.join(cache.root(), "packages")

    def _key(self, deb, config=False):
        """A hash over all that the source tree, or the configured tree, is made from."""
        digest = hashlib.sha256(" ".join([os.path.basename(deb)] + (self.make if config else [])).encode())
        for path in self.patches + (self.configs if config else []):
            with open(path, "rb") as file:
                digest.update(hashlib.sha256(file.read()).digest())
        return digest.hexdigest()

    # One file remembers which steps were done and from what; a step that is not done anew ends those after it.
    def _stamps(self):
        return json.loads(cache.read(os.path.join(self.directory, "done")) or "{}")

    def _is_done(self, step, key):
        return self._stamps().get(step) == key

    def _step(self, step, key, action):
        if self._is_done(step, key):
            return
        steps = ("unpacked", "prepared", "built")
        stamps = {name: stamp for name, stamp in self._stamps().items() if steps.index(name) < steps.index(step)}
        cache.write(os.path.join(self.directory, "done"), json.dumps(stamps))
        action()
        stamps[step] = key
        cache.write(os.path.join(self.directory, "done"), json.dumps(stamps))

    @staticmethod
    def _check_tools():
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        missing = [tool for tool in TOOLS if not shutil.which(tool, path=path)]
        if missing:
            raise Error(f"programs are missing: {', '.join(missing)} (their packages are in tests/packages.txt)")

    def _unpack(self, deb):
        cache.say(self.who, f"unpacking {os.path.basename(deb)} (1.5 GB, kept in {self.directory})")
        with cache.replacing(self.build_dir) as new, tempfile.TemporaryDirectory(dir=self.directory) as work:
            debian.unpack(deb, work)
            tarball, = glob.glob(f"{work}/usr/src/{self.conf['package']}.tar.*")
            os.mkdir(new)
            subprocess.run(["tar", "--extract", "--no-same-owner", "--strip-components=1", "--directory", new,
                            "--file", tarball], check=True)
            for patch in self.patches:
                cache.say(self.who, f"applying {os.path.basename(patch)}")
                done = subprocess.run(["patch", "--strip=1", "--forward", "--fuzz=0", "--input", patch],
                                      cwd=new, capture_output=True, text=True)
                if done.returncode:
                    raise Error(f"{patch} does not apply to {os.path.basename(deb)}: {done.stdout.strip()}")

    def _prepare(self):
        cache.remove(self.log)
        wanted = "".join(cache.read(path) for path in self.configs)
        with tempfile.NamedTemporaryFile("w", suffix=".config") as config:
            config.write(wanted)
            config.flush()
            self._make("configuring", "allnoconfig", f"KCONFIG_ALLCONFIG={config.name}")
        got = cache.read(os.path.join(self.build_dir, ".config")).splitlines()
        options = dict(line.split("=", 1) for line in wanted.splitlines() if line.startswith("CONFIG_"))
        lacking = [f"{name}={value}" for name, value in options.items()
                   if (value != "n" and f"{name}={value}" not in got) or (value == "n" and f"{name}=y" in got)]
        if lacking:
            cache.say(self.who, f"without {', '.join(lacking)}, which this kernel does not have so")
        self._make("preparing for modules", "modules_prepare")

    def _compile(self):
        cache.say(self.who, f"compiling (about 8 minutes of one CPU; log in {self.log})")
        self._make("compiling", "bzImage", "modules", *self.make)
        with cache.replacing(self.modules) as new:
            self._make("installing modules", f"INSTALL_MOD_PATH={new}", "INSTALL_MOD_STRIP=1", "modules_install")
        with cache.replacing(self.image) as new:
            shutil.copyfile(os.path.join(self.build_dir, "arch/x86/boot/bzImage"), new)

    def _make(self, what, *arguments):
        """Runs make in the source tree, reporting progress; the output goes to the log."""
        keep = ("HOME", "LANG", "TERM", "TMPDIR", "USER", "LOGNAME")
        environment = {name: os.environ[name] for name in keep if name in os.environ}
        environment.update(PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin", LC_ALL="C",
                           KBUILD_BUILD_USER="ramster", KBUILD_BUILD_HOST="lab", KBUILD_BUILD_TIMESTAMP="2000-01-01")
        started = time.monotonic()
        done = threading.Event()
        with open(self.log, "a") as log:
            make = subprocess.Popen(["make", f"-j{len(os.sched_getaffinity(0))}", "LOCALVERSION=", *arguments],
                                    cwd=self.build_dir, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=subprocess.STDOUT)
            reporter = threading.Thread(target=self._report, args=(what, started, done))
            reporter.start()
            try:
                status = make.wait()
            finally:
                if make.poll() is None:
                    make.terminate()
                    make.wait()
                done.set()
                reporter.join()
        if status:
            lines = [line for line in cache.read(self.log).splitlines() if "rror" in line] or [f"status {status}"]
            raise Error(f"{what} failed: {lines[0].strip()} (whole log: {self.log})")

    def _report(self, what, started, done):
        while not done.wait(PROGRESS_SECONDS):
            files = sum(1 for line in (cache.read(self.log) or "").splitlines() if line.startswith("  CC"))
            cache.say(self.who, f"{what}: {time.monotonic() - started:.0f} s, {files} files")
