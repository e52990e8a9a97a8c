# SPDX-License-Identifier: GPL-2.0-or-later
"""One node inside the supervisor: its QEMU, its console, its agent's port, and QEMU's monitor."""
import asyncio
import contextlib
import ctypes
import json
import os
import re
import shlex
import signal
import socket

from . import frames

PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl


class Stopped(Exception):
    """The node is not running, or has stopped before it did what was asked."""


def die_with_parent():
    """For preexec_fn: nothing of a lab outlives its supervisor, however that ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Machine:
    def __init__(self, node, lab, state, logs, image, kernel, accel):
        self.node, self.lab, self.state_dir = node, lab, state
        self.image, self.kernel, self.accel = image, kernel, accel
        self.name = node.name
        self.console_path = os.path.join(logs, f"{node.name}.console")
        self.qemu_log_path = os.path.join(logs, f"{node.name}.qemu")
        self.console_file = open(self.console_path, "ab", buffering=0)
        self.state = "off"  # off, booting, up, paused
        self.process = None
        self.ready = None  # a future, done when the agent has said that it is there
        self.boot_offset = 0  # of this boot in the console's log
        self.channels = {}  # number -> function taking (type, payload)
        self.waiters = []  # (regular expression, future) for console lines
        self.partial = b""  # the console's last line so far
        self.watchers = ()

    def _command(self, agent_fd, monitor_fd):
        node = self.node
        append = (f"console=ttyS0 loglevel=5 panic=-1 no_timer_check root=/dev/vda rootfstype=ext4 rw init=/sbin/init "
                  f"transparent_hugepage=never lab.node={node.number} lab.nodes={len(self.lab.nodes)} "
                  f"lab.id={self._id()} lab.mtu={self.lab.mtu} {self.accel.append} {self.kernel.append} {self.lab.append}")
        memory = node.mem + self.kernel.memory
        command = ["qemu-system-x86_64", "-name", f"{self.lab.name}-{node.name}", *self.accel.arguments,
                   "-machine", "pc,vmport=off,smbus=off,hpet=off,memory-backend=memory",
                   "-object", f"memory-backend-memfd,id=memory,size={memory}M,share=on",
                   "-m", str(memory), "-smp", str(max(node.cpus, self.kernel.cpus)),
                   "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                   "-kernel", self.kernel.image, "-append", append.strip(),
                   "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
                   "-chardev", f"socket,id=monitor,fd={monitor_fd}", "-mon", "chardev=monitor,mode=control",
                   "-device", "virtio-serial-pci",
                   "-chardev", f"socket,id=agent,fd={agent_fd}",
                   "-device", "virtserialport,chardev=agent,name=lab.agent",
                   "-chardev", f"socket,id=switch,path={self.state_dir}/net/{node.name}",
                   "-netdev", "vhost-user,id=net,chardev=switch",
                   # QEMU 7.2 without KVM crashes when a vhost-user device uses MSI-X.
                   "-device", f"virtio-net-pci,netdev=net,romfile=,vectors=0,ctrl_guest_offloads=off,"
                              f"host_mtu={self.lab.mtu},mac=52:54:0a:4d:00:{node.number:02x}",
                   "-device", "virtio-rng-pci"]
        command += self._drive("root", self.image, "format=raw,snapshot=on,cache=unsafe")
        for disk in node.disks:
            options = "format=raw,cache=unsafe,discard=unmap"
            if disk.throttle:
                options += f",throttling.bps-total={disk.throttle}"
            command += self._drive(disk.name, self._disk_path(disk), options)
        return command

    @staticmethod
    def _drive(name, path, options):
        return ["-drive", f"if=none,id=drive-{name},file={path.replace(',', ',,')},{options}",
                "-device", f"virtio-blk-pci,drive=drive-{name},serial={name}"]

    def _id(self):
        """28 hexadecimal digits, the same at every boot of this lab."""
        return self.lab.name.encode().hex().ljust(28, "0")[:28]

    def _disk_path(self, disk):
        return os.path.join(self.state_dir, "disks", f"{self.name}-{disk.name}")

    async def start(self):
        """Starts QEMU; `ready` will be done when the agent is there. Disks keep what earlier boots have written."""
        for disk in self.node.disks:
            with open(self._disk_path(disk), "ab") as file:
                file.truncate(disk.size)
        agent, agent_theirs = socket.socketpair()
        monitor, monitor_theirs = socket.socketpair()
        self.boot_offset = self.console_file.tell()
        self.ready = asyncio.get_running_loop().create_future()
        with open(self.qemu_log_path, "ab") as log, agent_theirs, monitor_theirs:
            command = self._command(agent_theirs.fileno(), monitor_theirs.fileno())
            log.write(f"{shlex.join(command)}\n".encode())
            log.flush()
            self.process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log,
                pass_fds=(agent_theirs.fileno(), monitor_theirs.fileno()), preexec_fn=die_with_parent)
        self.state = "booting"
        self.agent_reader, self.agent_writer = await asyncio.open_connection(sock=agent)
        self.monitor_reader, self.monitor_writer = await asyncio.open_connection(sock=monitor)
        self.watchers = [asyncio.create_task(self._watch_console()), asyncio.create_task(self._watch_agent())]
        self.end = asyncio.create_task(self._watch_end())
        await self._monitor("qmp_capabilities")

    async def _watch_console(self):
        while data := await self.process.stdout.read(65536):
            self.console_file.write(data)
            *lines, self.partial = (self.partial + data).split(b"\n")
            for line in lines:
                self._console_line(line)

    def _console_line(self, line):
        text = line.decode(errors="replace").rstrip("\r")
        for waiter in list(self.waiters):
            pattern, future = waiter
            if pattern.search(text):
                self.waiters.remove(waiter)
                if not future.done():
                    future.set_result(text)

    async def _watch_agent(self):
        while frame := await frames.read(self.agent_reader):
            kind, number, _, payload = frame
            if kind == frames.READY:
                self.state = "up"
                if not self.ready.done():
                    self.ready.set_result(None)
            elif number in self.channels:
                self.channels[number](kind, payload)
                if kind in (frames.EXIT, frames.ERROR):
                    del self.channels[number]

    async def _watch_end(self):
        """Everything that depends on the running node ends with it."""
        await self.process.wait()
        await asyncio.gather(*self.watchers, return_exceptions=True)
        self.agent_writer.close()
        self.monitor_writer.close()
        self.state = "off"
        if self.partial:
            self._console_line(self.partial)
            self.partial = b""
        message = f"{self.name} has stopped"
        if not self.ready.done():
            self.ready.set_exception(Stopped(message))
        self.ready.exception()
        for take in self.channels.values():
            take(frames.GONE, message.encode())
        self.channels.clear()
        for _, future in self.waiters:
            if not future.done():
                future.set_exception(Stopped(message))
        self.waiters.clear()

    async def stop(self):
        """Cuts the power."""
        if self.state != "off":
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.end

    async def _monitor(self, command):
        """Runs a command in QEMU's monitor."""
        try:
            self.monitor_writer.write(json.dumps({"execute": command}).encode() + b"\n")
            while line := await self.monitor_reader.readline():
                answer = json.loads(line)
                if "return" in answer:
                    return
                if "error" in answer:
                    raise Stopped(f"{self.name}: {answer['error']['desc']}")
        except ConnectionError:
            pass
        raise Stopped(f"{self.name} has stopped (see {self.qemu_log_path})")

    async def pause(self):
        self.require()
        await self._monitor("stop")
        self.state = "paused"

    async def resume(self):
        self.require()
        await self._monitor("cont")
        if self.state == "paused":
            self.state = "up"

    def require(self):
        if self.state in ("off", "booting"):
            raise Stopped(f"{self.name} is {self.state}")

    def open_channel(self, take):
        """A free channel to the agent; take(type, payload) gets its frames, the last being EXIT, ERROR or GONE."""
        self.require()
        for number in range(1, frames.CHANNELS):
            if number not in self.channels:
                self.channels[number] = take
                return number
        raise Stopped(f"{self.name} already runs {frames.CHANNELS - 1} commands")

    async def send(self, frame):
        self.agent_writer.write(frame)
        with contextlib.suppress(ConnectionError):
            await self.agent_writer.drain()

    async def wait_console(self, pattern, since):
        """The first console line at or after offset `since` that the pattern is found in."""
        pattern = re.compile(pattern)
        with open(self.console_path, "rb") as file:
            file.seek(since)
            *lines, _ = file.read().split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r")
            if pattern.search(text):
                return text
        if self.state == "off":
            raise Stopped(f"{self.name} is off")
        future = asyncio.get_running_loop().create_future()
        self.waiters.append((pattern, future))
        return await future

    def status(self):
        return {"name": self.name, "state": self.state, "pid": self.process.pid if self.state != "off" else None,
                "mem": self.node.mem, "cpus": self.node.cpus, "address": f"10.77.0.{self.node.number}",
                "disks": [disk.name for disk in self.node.disks], "console": self.console_path,
                "boot_offset": self.boot_offset}
