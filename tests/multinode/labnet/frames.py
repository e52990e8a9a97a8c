# SPDX-License-Identifier: GPL-2.0-or-later
"""The frames of ../agent.h."""
import struct

HEADER = struct.Struct("<IHBB")
NUMBER = struct.Struct("<I")

CHANNELS = 32
MAX_PAYLOAD = 32768
STDIN_CREDIT = 16384
MAX_ARGUMENTS = 255

READY, RUN, STDIN, STDOUT, STDERR, CREDIT, SIGNAL, EXIT, ERROR = range(1, 10)
GONE = 10  # only from the supervisor: the node has stopped, and this is the channel's last frame

DETACHED = 1
TERMINAL = 2


def pack(kind, payload=b"", channel=0, flags=0):
    return HEADER.pack(len(payload), channel, kind, flags) + payload


def number(kind, value, channel=0):
    return pack(kind, NUMBER.pack(value), channel)


def value(payload):
    return NUMBER.unpack(payload)[0]


async def read(reader):
    """The next (type, channel, flags, payload) from an asyncio stream; None at its end."""
    try:
        length, channel, kind, flags = HEADER.unpack(await reader.readexactly(HEADER.size))
        return kind, channel, flags, await reader.readexactly(length)
    except (EOFError, ConnectionError):
        return None
