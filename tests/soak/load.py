# SPDX-License-Identifier: GPL-2.0-or-later
"""A job that goes on all the while: it reads and rewrites parts of its memory at random, and looks at every byte that it reads."""
import random
import threading

ANSWER_SECONDS = 120  # for a command, which takes some seconds where nothing fails
LARGEST_SHARE = 8  # of all pages, in one command
REWRITES = 0.35  # of the commands


class Load:
    """
    Gives commands to a Hold from a thread of its own, until stop() or until something is wrong: `failure` says what then, and
    `over` is set. `checked` and `written` count pages.
    """

    def __init__(self, hold, seed):
        self.hold, self.chance = hold, random.Random(f"load {seed}")
        self.checked, self.written, self.commands, self.failure = 0, 0, 0, None
        self.ending, self.over, self.changed = threading.Event(), threading.Event(), threading.Condition()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.ending.is_set() and not self.failure:
                self._command()
        except Exception as error:
            self.failure = f"the job: {type(error).__name__}: {error}"
        finally:
            with self.changed:
                self.over.set()
                self.changed.notify_all()

    def _command(self):
        count = self.chance.randint(1, self.hold.pages // LARGEST_SHARE)
        first = self.chance.randrange(self.hold.pages - count)
        if self.chance.random() < REWRITES:
            self.hold.rewrite(first, count, ANSWER_SECONDS)
            self.written += count
        else:
            seen = self.hold.verify(first, count, ANSWER_SECONDS)
            self.checked += count
            if seen.right != count:
                self.failure = f"the job: {seen.wrong} pages are wrong, {seen.failed} could not be read: {seen}"
        with self.changed:
            self.commands += 1
            self.changed.notify_all()

    def wait_commands(self, count):
        """Until it has begun and ended so many from now on, or is over."""
        with self.changed:
            wanted = self.commands + count + 1
            self.changed.wait_for(lambda: self.commands >= wanted or self.over.is_set(),
                                  (count + 1) * ANSWER_SECONDS + 1)

    def stop(self):
        self.ending.set()
        self.thread.join()
