# SPDX-License-Identifier: GPL-2.0-or-later
"""A program on a node that holds memory and touches it when it is told to (tests/programs/pagehold.c)."""
import types

import ramster
from labnet import patience

PAGES_PER_MIB = 256


class Hold:
    """Fills `mib` of memory and returns; a context manager that ends the program."""

    def __init__(self, node, mib, seed=1, timeout=120):
        self.pages = mib * PAGES_PER_MIB
        self.stream = ramster.Stream(node, "pagehold", mib, seed)
        assert self._line(timeout) == "filled"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def _line(self, timeout):
        return self.stream.get(patience.until(timeout))

    def tell(self, command, first, count):
        """Gives a command; answer() waits for its end."""
        self.stream.process.write(f"{command} {first} {self.pages - first if count is None else count}\n".encode())

    def answer(self, timeout=120):
        """What `verify` says, as attributes: right, wrong, failed (pages), seconds, first_failed, later_failed."""
        word, *pairs = self._line(timeout).split()
        values = (pair.split("=") for pair in pairs)
        return types.SimpleNamespace(word=word, **{name: float(value) if "." in value else int(value)
                                                   for name, value in values})

    def verify(self, first=0, count=None, timeout=120):
        self.tell("verify", first, count)
        return self.answer(timeout)

    def rewrite(self, first=0, count=None, timeout=120):
        self.tell("rewrite", first, count)
        assert self.answer(timeout).word == "rewritten"

    def assert_right(self, first=0, count=None, timeout=120):
        """Every page can be read and has the right bytes."""
        seen = self.verify(first, count, timeout)
        wanted = self.pages - first if count is None else count
        assert (seen.right, seen.wrong, seen.failed) == (wanted, 0, 0), seen

    def end(self, timeout=60):
        """Lets it end by itself; it must have seen no wrong byte."""
        self.stream.process.close_stdin()
        assert self.stream.process.wait(timeout) == 0

    def kill(self):
        self.stream.close()
