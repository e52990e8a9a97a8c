# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests give their time-outs for the common kernel; on one that looks for mistakes all takes longer."""
import time

from . import paths  # noqa: F401, finds the next

import kernel

KERNEL = kernel.Kernel(kernel.DEFAULT)
LOOKS_FOR_MISTAKES = "-" in KERNEL.name


def longer(seconds):
    return seconds * KERNEL.patience


def until(seconds):
    """The time of the monotonic clock when they have passed."""
    return time.monotonic() + longer(seconds)
