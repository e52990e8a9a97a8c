# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo's two jobs: each needs far more memory than its node has, and verifies all of it."""
import re

from ramster import log_of

MIB = 1 << 20
REDIS_SOCKET = "/run/redis.sock"
VERDICT = re.compile(r"(PASS|FAIL) (?:pages|values)=(\d+) wrong=(\d+)")


class Job:
    """
    A job on a node. start() starts its program, whose output goes line by line to `say`; finish() is to be called when
    that is over: what went wrong, or None. `wrong`: pages or values that were; `seconds` by the name of a phase.
    """

    def __init__(self, node, say):
        self.node, self.say = node, say
        self.rest, self.last_line = b"", ""
        self.wrong, self.seconds = 0, {}
        self.process = None

    def start(self):
        self.process = self.node.start(*self.command(), sink=self._take)

    def _take(self, stream, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self._take_line(line.decode(errors="replace"))

    def _take_line(self, line):
        self.say(line if line.startswith(self.name) else f"{self.name}: {line}")
        self.last_line = line
        if verdict := VERDICT.search(line):
            self.wrong = int(verdict.group(3))
        elif phase := re.match(r"(\w+) .*seconds=([0-9.]+)", line):
            self.seconds[phase.group(1)] = self.seconds.get(phase.group(1), 0) + float(phase.group(2))

    def finish(self):
        if status := self.process.wait():
            return f"{self.name} ended with status {status}: {self.last_line or 'it has said nothing'}"
        return None


class PageCheck(Job):
    """Our own checker."""
    name = "pagecheck"
    mib = 384

    def command(self):
        return "pagecheck", "--mib", self.mib, "--rounds", 1

    @property
    def title(self):
        return f"pagecheck over {self.mib} MiB"


class RedisCheck(Job):
    """An unmodified redis-server, and our program that fills it and reads it back."""
    name = "redischeck"
    mib = 264

    def command(self):
        return "redischeck", "--socket", REDIS_SOCKET, "--mib", self.mib

    @property
    def title(self):
        return f"redis-server with {self.mib} MiB of values"

    def start(self):
        self.server = self.node.start("redis-server", "--port", 0, "--unixsocket", REDIS_SOCKET, "--save", "",
                                      sink=log_of(self.node, "redis-server"))
        self.node.sh(f"until redis-cli -s {REDIS_SOCKET} ping; do sleep 0.1; done")
        super().start()

    def finish(self):
        if error := super().finish():
            return error
        memory = int(re.search(r"used_memory:(\d+)", self.node.sh(f"redis-cli -s {REDIS_SOCKET} info memory")).group(1))
        self.say(f"redischeck: redis-server used {memory / MIB:.0f} MiB")
        self.node.run("redis-cli", "-s", REDIS_SOCKET, "shutdown", "nosave")
        self.server.wait(60)
        if memory < self.mib * MIB:
            return f"redis-server held only {memory / MIB:.0f} MiB"
        return None


JOBS = (PageCheck, RedisCheck)
