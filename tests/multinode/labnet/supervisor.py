# SPDX-License-Identifier: GPL-2.0-or-later
"""
The process that is the lab: parent of the switch and of every node's QEMU, which the kernel kills should it die.

The first line of its standard input is the lab's description as JSON. When the standard input ends the lab goes down,
unless the line "stay" came before. On the standard output it tells, one JSON object a line, what `lab up` waits for.
After that it serves the control socket: a request is a line of JSON, and so is its answer; after the answer to "run"
both sides speak frames (../agent.h).
"""
import asyncio
import contextlib
import dataclasses
import json
import os
import re
import signal
import sys

from . import accel, frames, image, paths, spec
from .machine import Machine, Stopped, die_with_parent

import cache
import kernel


class Refused(Exception):
    """A request that cannot be met; the text goes to whoever asked."""


def tell(**what):
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(what), flush=True)


class Switch:
    """The switch process; its commands are in ../switch.c."""

    process = None

    async def start(self, program, directory, names, log):
        with open(log, "ab") as errors:
            self.process = await asyncio.create_subprocess_exec(
                program, directory, *names, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=errors, limit=1 << 20, preexec_fn=die_with_parent)
        self.lock = asyncio.Lock()
        if await self.process.stdout.readline() != b"ready\n":
            raise Refused(f"the switch did not start (see {log})")

    async def command(self, *words):
        async with self.lock:
            self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
            answer = (await self.process.stdout.readline()).decode().strip()
        if not answer:
            raise Refused("the switch has died")
        return answer

    async def order(self, *words):
        answer = await self.command(*words)
        if answer != "ok":
            raise Refused(f"{words[0]}: {answer}")

    async def stop(self):
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


class Supervisor:
    def __init__(self, lab):
        self.lab = lab
        self.directory, self.logs = paths.state(lab.name), paths.logs(lab.name)
        self.switch = Switch()
        self.machines = {}
        self.over = asyncio.Event()
        self.server = None
        self.clients = set()

    # From nothing to a lab, and back

    async def up(self):
        self.server = await asyncio.start_unix_server(self.serve, paths.control(self.lab.name), limit=1 << 20)
        built = kernel.Kernel(self.lab.kernel)
        for directory in ("net", "disks"):
            os.makedirs(os.path.join(self.directory, directory))
        await self.switch.start(image.switch(), os.path.join(self.directory, "net"),
                                [node.name for node in self.lab.nodes], os.path.join(self.logs, "switch.log"))
        root, accelerator = image.root(built), accel.choose(built)
        for node in self.lab.nodes:
            self.machines[node.name] = Machine(node, self.lab, self.directory, self.logs, root, built, accelerator)
        await asyncio.gather(*(machine.start() for machine in self.machines.values()))
        tell(say=f"booting {' '.join(self.machines)}")
        await asyncio.gather(*(self.booted(machine) for machine in self.machines.values()))

    async def booted(self, machine):
        try:
            await asyncio.wait_for(asyncio.shield(machine.ready), self.lab.boot_timeout * machine.kernel.patience)
        except asyncio.TimeoutError:
            raise Refused(f"{machine.name} was not up after {self.lab.boot_timeout} s (see {machine.console_path})")
        except Stopped as error:
            raise Refused(f"{error} while booting (see {machine.console_path})")

    async def down(self):
        if self.server:
            self.server.close()
        await asyncio.gather(*(machine.stop() for machine in self.machines.values()), return_exceptions=True)
        await self.switch.stop()
        cache.remove(self.directory)

    # Requests

    async def serve(self, reader, writer):
        self.clients.add(writer)
        try:
            if line := await reader.readline():
                await self.answer(json.loads(line), reader, writer)
        except (ConnectionError, json.JSONDecodeError):
            pass
        finally:
            self.clients.discard(writer)
            writer.close()

    async def answer(self, request, reader, writer):
        def reply(**what):
            writer.write(json.dumps(what).encode() + b"\n")

        try:
            operation = getattr(self, f"do_{request.pop('op')}")
            if operation == self.do_run:
                await self.do_run(reader, writer, reply, **request)
            else:
                reply(ok=await self.unless_gone(operation(**request), reader))
        except (Refused, Stopped) as error:
            reply(error=str(error))
        with contextlib.suppress(ConnectionError):
            await writer.drain()

    @staticmethod
    async def unless_gone(work, reader):
        """Gives up work whose client is no longer there to hear of it."""
        work, gone = asyncio.ensure_future(work), asyncio.ensure_future(reader.read(1))
        await asyncio.wait([work, gone], return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not work.done():
            work.cancel()
            raise ConnectionResetError
        return work.result()

    def machine(self, name):
        if name not in self.machines:
            raise Refused(f"unknown node {name} (nodes: {' '.join(self.machines)})")
        return self.machines[name]

    async def do_status(self):
        return {"name": self.lab.name, "kernel": self.lab.kernel, "pid": os.getpid(), "logs": self.logs,
                "switch_pid": self.switch.process and self.switch.process.pid, "spec": dataclasses.asdict(self.lab),
                "nodes": [machine.status() for machine in self.machines.values()]}

    async def do_down(self):
        self.over.set()

    async def do_link(self, setting, a, b, value, one_way=False):
        for name in (a, b):
            self.machine(name)
        if a == b:
            raise Refused(f"{setting}: a link needs two different nodes")
        for source, target in [(a, b)] if one_way else [(a, b), (b, a)]:
            await self.switch.order(setting, source, target, value)

    async def do_links(self):
        return json.loads(await self.switch.command("links"))

    async def do_capture(self, node, path):
        self.machine(node)
        if re.search(r"\s", path):
            raise Refused(f"capture: no spaces in the file's name ({path!r})")
        await self.switch.order("capture", node, path)

    async def do_pause(self, node):
        await self.machine(node).pause()

    async def do_resume(self, node):
        await self.machine(node).resume()

    async def do_kill(self, node):
        await self.machine(node).stop()

    async def do_cycle(self, node):
        machine = self.machine(node)
        await machine.stop()
        await machine.start()
        await self.booted(machine)

    async def do_wait(self, node, pattern, since, timeout):
        try:
            machine = self.machine(node)
            return await asyncio.wait_for(machine.wait_console(pattern, since), timeout * machine.kernel.patience)
        except asyncio.TimeoutError:
            raise Refused(f"{node}: no line with {pattern!r} on the console within {timeout:g} s")

    async def do_run(self, reader, writer, reply, node, argv, flags=0):
        """Relays one command between client and agent. Credit bounds what is on the way, so nothing is held up here."""
        machine = self.machine(node)
        payload = b"".join(argument.encode(errors="surrogateescape") + b"\0" for argument in argv)
        if not argv or len(argv) > frames.MAX_ARGUMENTS or len(payload) > frames.MAX_PAYLOAD:
            raise Refused(f"run: 1 to {frames.MAX_ARGUMENTS} arguments, together up to {frames.MAX_PAYLOAD} bytes")
        done = asyncio.Event()
        gone = False

        def take(kind, data):
            if not gone:
                writer.write(frames.pack(kind, data))
            elif kind in (frames.STDOUT, frames.STDERR):
                machine.agent_writer.write(frames.number(frames.CREDIT, len(data), channel))
            if kind in (frames.EXIT, frames.ERROR, frames.GONE):
                done.set()

        channel = machine.open_channel(take)
        reply(ok=None)
        await machine.send(frames.pack(frames.RUN, payload, channel, flags))
        ended = asyncio.ensure_future(done.wait())
        while not done.is_set():
            following = asyncio.ensure_future(frames.read(reader))
            await asyncio.wait([ended, following], return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
            elif frame := following.result():
                if not done.is_set():
                    await machine.send(frames.pack(frame[0], frame[3], channel))
            else:
                gone = True
                await machine.send(frames.number(frames.SIGNAL, signal.SIGKILL, channel))
                break
        ended.cancel()


async def watch_owner(over):
    """Ends the lab when the standard input does, unless told to stay."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    if (await reader.read()).strip() != b"stay":
        over.set()


async def run(lab):
    loop = asyncio.get_running_loop()
    supervisor = Supervisor(lab)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.over.set)
    over = asyncio.create_task(supervisor.over.wait())
    owner = asyncio.create_task(watch_owner(supervisor.over))
    up = asyncio.create_task(supervisor.up())
    try:
        await asyncio.wait([up, over], return_when=asyncio.FIRST_COMPLETED)
        if up.done():
            up.result()
            tell(up=True)
            await over
        else:
            up.cancel()
    except (Refused, Stopped) as error:
        tell(error=str(error))
    finally:
        owner.cancel()
        await supervisor.down()


def main():
    lab = spec.Lab.from_json(json.loads(sys.stdin.buffer.raw.readline()))
    os.makedirs(paths.base(), mode=0o700, exist_ok=True)
    if os.stat(paths.base()).st_uid != os.getuid():
        tell(error=f"{paths.base()} belongs to another user")
        return
    try:
        with paths.owned(lab.name, wait=False):
            cache.remove(paths.state(lab.name))
            cache.remove(paths.logs(lab.name))
            os.makedirs(paths.state(lab.name))
            os.makedirs(paths.logs(lab.name))
            with open(os.path.join(paths.logs(lab.name), "supervisor.log"), "w") as log:
                os.dup2(log.fileno(), sys.stderr.fileno())
            asyncio.run(run(lab))
    except BlockingIOError:
        tell(error=f"lab {lab.name} is already up", mistake=True)


if __name__ == "__main__":
    main()
