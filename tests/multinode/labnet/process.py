# SPDX-License-Identifier: GPL-2.0-or-later
"""A command on a node."""
import contextlib
import shlex
import signal
import threading

from . import frames, patience
from .request import LabError


class Failed(LabError):
    """A command ended with another exit status than 0."""

    def __init__(self, node, argv, process):
        self.status, self.out, self.err = process.status, process.out, process.err
        super().__init__(f"{node}: {shlex.join(argv)}: exit status {self.status}: "
                         f"{(self.err.strip() or self.out.strip())[-2000:]}")


class Process:
    """
    A command on a node. `sink(stream, bytes)` gets its output as it comes, stream being 1 or 2; without one it is
    collected into out and err. `status` is the exit status as a shell has it, when wait() has returned.
    """

    def __init__(self, connection, name, sink=None):
        self.connection, self.name = connection, name
        self.sink = sink or self._collect
        self.collected = {1: [], 2: []}
        self.status, self.error = None, None
        self.credit = frames.STDIN_CREDIT
        self.changed = threading.Condition()
        self.sending = threading.Lock()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _collect(self, stream, data):
        self.collected[stream].append(data)

    def _send(self, frame):
        with self.sending, contextlib.suppress(OSError):
            self.connection.sendall(frame)

    def _read(self):
        stream = self.connection.makefile("rb")
        try:
            while self.status is None:
                header = stream.read(frames.HEADER.size)
                if len(header) < frames.HEADER.size:
                    raise ConnectionError("the lab went down")
                length, _, kind, _ = frames.HEADER.unpack(header)
                self._take(kind, stream.read(length))
        except Exception as error:
            self._end(None, str(error))
        finally:
            stream.close()

    def _take(self, kind, payload):
        if kind in (frames.STDOUT, frames.STDERR):
            self.sink(1 if kind == frames.STDOUT else 2, payload)
            self._send(frames.number(frames.CREDIT, len(payload)))
        elif kind == frames.CREDIT:
            with self.changed:
                self.credit += frames.value(payload)
                self.changed.notify_all()
        elif kind == frames.EXIT:
            self._end(frames.value(payload))
        elif kind == frames.ERROR:
            self.sink(2, payload + b"\n")
            self._end(126 if b"denied" in payload else 127)
        elif kind == frames.GONE:
            self._end(None, payload.decode())

    def _end(self, status, error=None):
        with self.changed:
            self.status, self.error = (125 if status is None else status), error
            self.changed.notify_all()

    @property
    def over(self):
        return self.status is not None

    @property
    def out_bytes(self):
        return b"".join(self.collected[1])

    @property
    def out(self):
        return self.out_bytes.decode(errors="replace")

    @property
    def err(self):
        return b"".join(self.collected[2]).decode(errors="replace")

    def write(self, data):
        """Sends input, waiting until the command takes it; what comes after its end is lost."""
        data = memoryview(data)
        while data:
            with self.changed:
                self.changed.wait_for(lambda: self.credit or self.over)
                if self.over:
                    return
                size = min(self.credit, len(data), frames.MAX_PAYLOAD)
                self.credit -= size
            self._send(frames.pack(frames.STDIN, bytes(data[:size])))
            data = data[size:]

    def close_stdin(self):
        self._send(frames.pack(frames.STDIN))

    def signal(self, number):
        """To the command's process group."""
        self._send(frames.number(frames.SIGNAL, number))

    def kill(self):
        self.signal(signal.SIGKILL)

    def wait(self, timeout=None):
        """Its exit status; LabError if the node stopped, TimeoutError if it still runs after `timeout` seconds."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.over, timeout and patience.longer(timeout)):
                raise TimeoutError(f"{self.name}: still running after {timeout:g} s")
        self.reader.join()
        self.connection.close()
        if self.error:
            raise LabError(f"{self.name}: {self.error}")
        return self.status
