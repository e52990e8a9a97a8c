# SPDX-License-Identifier: GPL-2.0-or-later
"""A node of a lab, as tests and the `lab` command see it. Every call blocks, and may be made from any thread."""
import io
import os
import shlex
import tarfile

from . import frames
from .process import Failed, Process
from .request import LabError, ask


class Node:
    def __init__(self, lab, name, address):
        self.lab, self.name, self.address = lab, name, address

    def __str__(self):
        return self.name

    def __repr__(self):
        return f"<node {self.name}>"

    # Commands

    def start(self, *argv, sink=None, flags=0):
        """Starts a command; returns its Process."""
        connection = self.lab.connect()
        try:
            ask(connection, op="run", node=self.name, argv=[str(argument) for argument in argv], flags=flags)
        except BaseException:
            connection.close()
            raise
        return Process(connection, f"{self.name}: {shlex.join(map(str, argv))}", sink)

    def run(self, *argv, input=b"", timeout=60, check=True):
        """
        Runs a command to its end; returns its Process (status, out, err). Failed if its exit status is not 0 and
        `check`; killed and TimeoutError after `timeout` seconds. For a shell's line: run("sh", "-c", line).
        """
        process = self.start(*argv)
        if input:
            process.write(input)
        process.close_stdin()
        try:
            process.wait(timeout)
        except TimeoutError:
            process.kill()
            raise
        if check and process.status:
            raise Failed(self.name, list(map(str, argv)), process)
        return process

    def sh(self, script, **keywords):
        """The output of a shell script, without its last newline."""
        return self.run("sh", "-c", script, **keywords).out.rstrip("\n")

    def detach(self, *argv):
        """Starts a command that the lab forgets; its output goes to the console."""
        self.start(*argv, flags=frames.DETACHED).wait()

    # Files

    def put(self, source, target, timeout=300):
        """Copies a file, with its mode, or a directory to the node."""
        if os.path.isdir(source):
            data = io.BytesIO()
            with tarfile.open(fileobj=data, mode="w") as tar:
                tar.add(source, arcname=".")
            script = 'mkdir -p "$1" && tar -xf - -C "$1"'
            self.run("sh", "-c", script, "sh", target, input=data.getvalue(), timeout=timeout)
            return
        with open(source, "rb") as file:
            self.write(target, file.read(), os.stat(source).st_mode & 0o777, timeout)

    def write(self, target, data, mode=0o644, timeout=300):
        """Makes a file on the node, whole or not at all."""
        script = ('[ -d "$1" ] && exit 21; mkdir -p "${1%/*}/" && cat >"$1.new" && chmod "$2" "$1.new" && '
                  'mv -f "$1.new" "$1"')
        data = data.encode() if isinstance(data, str) else data
        done = self.run("sh", "-c", script, "sh", target, f"{mode:o}", input=data, timeout=timeout, check=False)
        if done.status:
            raise LabError(f"{self.name}:{target}: {'is a directory' if done.status == 21 else done.err.strip()}")

    def read(self, source, timeout=300):
        """The bytes of a file on the node."""
        done = self.run("cat", source, timeout=timeout, check=False)
        if done.status:
            raise LabError(f"{self.name}:{source}: {done.err.strip().split(': ')[-1]}")
        return done.out_bytes

    def get(self, source, target, timeout=300):
        data = self.read(source, timeout)
        with open(target, "wb") as file:
            file.write(data)

    def put_files(self):
        """Puts what `--file` gave for this node."""
        for node in self.lab.status()["spec"]["nodes"]:
            for file in node["files"] if node["name"] == self.name else ():
                self.put(file["source"], file["target"])

    # Power

    def pause(self):
        """Stops its CPUs and its clock."""
        self.lab.ask(op="pause", node=self.name)

    def resume(self):
        self.lab.ask(op="resume", node=self.name)

    def kill(self):
        """Cuts its power."""
        self.lab.ask(op="kill", node=self.name)

    def cycle(self):
        """Cuts its power and boots it; disks are kept, its RAM and its root file system are new."""
        self.lab.ask(op="cycle", node=self.name)
        self.put_files()

    # Console

    @property
    def status(self):
        return next(node for node in self.lab.status()["nodes"] if node["name"] == self.name)

    def console(self, since=0):
        """The console's text from offset `since` on."""
        with open(os.path.join(self.lab.logs, f"{self.name}.console"), "rb") as file:
            file.seek(since)
            return file.read().decode(errors="replace").replace("\r", "")

    def console_mark(self):
        """The offset of what comes next, for console() and wait_console()."""
        return os.stat(os.path.join(self.lab.logs, f"{self.name}.console")).st_size

    def wait_console(self, pattern, timeout=60, since=0):
        """The first line from `since` on that the regular expression is found in, waiting for it."""
        return self.lab.ask(op="wait", node=self.name, pattern=pattern, since=since, timeout=timeout)
