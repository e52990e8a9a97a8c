# SPDX-License-Identifier: GPL-2.0-or-later
"""What kernels that look for mistakes (tests/kernels/*-debug) tell at the end of a test."""
import io
import os
import re
import tarfile

KMEMLEAK = "/sys/kernel/debug/kmemleak"
KMEMLEAK_YOUNG = 5  # seconds for which it does not report an object
GCOV = "/sys/kernel/debug/gcov"


def leaks(node):
    """
    Memory that nothing points to any more, as text; "" if there is none, or if the kernel was not to look for it. Looks
    twice: pointers move meanwhile. kmemleak ends for good when it has no memory itself: then nobody knows, which is told.
    """
    return node.sh(f"[ -e {KMEMLEAK} ] && ! grep -q kmemleak=off /proc/cmdline || exit 0; "
                   f"{{ echo scan >{KMEMLEAK}; }} 2>/dev/null || {{ echo kmemleak has ended; exit 0; }}; "
                   f"sleep {KMEMLEAK_YOUNG + 1}; echo scan >{KMEMLEAK}; cat {KMEMLEAK}", timeout=120)


def save_coverage(node, directory):
    """Adds which lines of the module have run on the node since it was booted, for tests/coverage/report."""
    # Files there have no size before they are read; and a process for each would take half a minute on a slow kernel.
    script = (f"cd {GCOV} 2>/dev/null || exit 0; rm -rf /tmp/gcov; cp -dR . /tmp/gcov; "
              "find /tmp/gcov -type l -delete; tar -C /tmp/gcov -cf - .")
    data = node.run("sh", "-c", script, timeout=120).out_bytes
    if data:
        test = re.sub(r"[^\w.-]+", "_", os.environ.get("PYTEST_CURRENT_TEST", "by-hand"))
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(os.path.join(directory, f"{test}.{node.name}"))
