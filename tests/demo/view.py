# SPDX-License-Identifier: GPL-2.0-or-later
"""The live view of where a node's pages are: in place on a terminal, a line now and then elsewhere."""
import json
import re
import shutil
import sys
import time

from ramster import Stream

PAGES_PER_MIB = 256
LINE_SECONDS = 5
BAR = 30
# An empty line ends a sample. What fails because the node is busy is there the next time.
WATCH = ("while :; do ramster status --json 2>/dev/null; grep -E '^(AnonPages|SwapTotal|SwapFree):' /proc/meminfo; "
         "grep '^pswpout ' /proc/vmstat; echo; sleep 1; done")


class Sample:
    """Where the pages of a node are at one moment, in pages."""

    def __init__(self, status, numbers, uses_frontswap):
        self.counters = counters = status["counters"]
        self.ram = numbers["AnonPages:"] // 4
        self.compressed, self.same = counters["pages_local"], counters["pages_same"]
        self.zpages_mib = counters["local_bytes"] / (1 << 20)
        self.peers = {node["name"]: node["pages"] for node in status["nodes"] if not node["local"]}
        self.disk = counters["pages_backing"]
        if uses_frontswap:
            # Slots of the disk that RAMster has nothing of; the kernel has a few empty ones in stock.
            used = (numbers["SwapTotal:"] - numbers["SwapFree:"]) // 4
            kept = self.compressed + self.same + counters["pages_remote"]
            self.disk = min(numbers["pswpout"], max(0, used - kept))

    def rows(self):
        return [("in RAM", self.ram, ""),
                ("compressed in RAM", self.compressed, f"in {self.zpages_mib:.0f} MiB"),
                ("same-filled", self.same, ""),
                *((f"on {name}", pages, "") for name, pages in self.peers.items()),
                ("on disk", self.disk, "")]


class View:
    """Follows a node until close(). say() prints a line that stays."""

    def __init__(self, title, out=sys.stdout):
        self.title, self.out = title, out
        self.on_terminal = out.isatty()
        self.lines_up = 0  # of the picture that stands above the cursor
        self.picture, self.drawn = [], 0
        self.started = time.monotonic()
        self.stream, self.sample, self.peak = None, None, None

    def say(self, text):
        self._erase()
        print(text, file=self.out)
        self._draw()

    def follow(self, node, uses_frontswap):
        self.uses_frontswap = uses_frontswap
        self.stream = Stream(node, "sh", "-c", WATCH)

    def close(self):
        self._erase()
        self.picture = []
        if self.stream:
            self.stream.close()
            self.stream = None

    def refresh(self, job):
        """Takes the next sample, if one comes within a second, and shows it."""
        sample = self._read(time.monotonic() + 1)
        if not sample:
            return
        self.sample = sample
        if not self.peak or sample.counters["pages_remote"] > self.peak.counters["pages_remote"]:
            self.peak = sample
        if self.on_terminal:
            self._erase()
            self.picture = self._make_picture(job)
            self._draw()
        elif time.monotonic() - self.drawn >= LINE_SECONDS:
            self.drawn = time.monotonic()
            places = ", ".join(f"{name} {pages / PAGES_PER_MIB:.0f}" for name, pages, _ in sample.rows())
            print(f"{self._clock()} {self.title}, {job.name}: MiB {places}", file=self.out, flush=True)

    def _read(self, until):
        status, numbers = None, {}
        try:
            while line := self.stream.get(until):
                if line.startswith("{"):
                    status = json.loads(line)
                elif words := re.match(r"(\S+)\s+(\d+)", line):
                    numbers[words.group(1)] = int(words.group(2))
                until = time.monotonic() + 10  # the rest of a sample comes soon
        except (TimeoutError, json.JSONDecodeError):
            return None
        if not status or len(numbers) < 4 or "pages_local" not in status["counters"]:
            return None
        return Sample(status, numbers, self.uses_frontswap)

    def _clock(self):
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        return f"{minutes:3}:{seconds:02}"

    def _make_picture(self, job):
        rows = self.sample.rows()
        total = max(1, sum(pages for _, pages, _ in rows))
        counters = self.sample.counters
        lines = ["", f"{self.title}: {job.title}, {self._clock().strip()}"]
        for name, pages, more in rows:
            bar = "#" * round(BAR * pages / total)
            lines.append(f"  {name:18} {pages:8} pages {pages / PAGES_PER_MIB:6.0f} MiB  {bar:{BAR}}  {more}")
        lines.append(f"  loads take {counters['load_p50_us']} us (half of them), {counters['load_p99_us']} us (99 %)")
        width = shutil.get_terminal_size().columns
        return [line[:width - 1].rstrip() for line in lines]

    def _erase(self):
        if self.lines_up:
            self.out.write(f"\033[{self.lines_up}A\033[J")
            self.lines_up = 0

    def _draw(self):
        if self.picture:
            self.out.write("\n".join(self.picture) + "\n")
            self.lines_up = len(self.picture)
        self.out.flush()
