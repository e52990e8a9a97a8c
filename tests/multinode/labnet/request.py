# SPDX-License-Identifier: GPL-2.0-or-later
"""One request to a lab's supervisor, and its answer."""
import json


class LabError(Exception):
    """The lab cannot do it, or has failed doing it."""


def ask(connection, **request):
    """One request, one answer, byte by byte: after it the connection may speak frames."""
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            data = connection.recv(1 if request["op"] == "run" else 65536)
            if not data:
                raise LabError("the lab went down")
            line += data
    except ConnectionError:
        raise LabError("the lab went down")
    answer = json.loads(line)
    if "error" in answer:
        raise LabError(answer["error"])
    return answer["ok"]
