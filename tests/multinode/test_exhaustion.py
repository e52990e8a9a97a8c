# SPDX-License-Identifier: GPL-2.0-or-later
"""
Programs that want half as much memory again as the node has, while its donors are short of memory, too: every page is
right, no task hangs, nothing is killed, and swap can be taken away and given again. EXHAUSTION_SECONDS says for how long.
"""
import os
import re
import time

import pytest

import labnet
import ramster
from labnet import patience

SECONDS = int(os.environ.get("EXHAUSTION_SECONDS", 15))
LONG = SECONDS >= 120  # as `make test-exhaustion` has it
SILENCE = 20  # seconds for which a program that swaps may be silent


def cell(mem, front_end="swapdev"):
    return pytest.param(mem, front_end, id=f"{front_end}-{mem}", marks=pytest.mark.lab(
        nodes=3, mem=f"n1={mem},224", disks=[f"n1=backing:{2 * mem}", "n2=backing:448", "n3=backing:448"]))


CELLS = [cell(128)] + [cell(mem) for mem in (192, 256, 512) if LONG] + \
        [cell(mem, "frontswap") for mem in (128, 256) if LONG]


class Eater:
    """A program that eats memory and tells that it is alive."""

    def __init__(self, node, mib, seconds):
        self.seconds = seconds
        self.stream = ramster.Stream(node, "eater", mib, seconds)

    def wait(self):
        """Until its end, which must come in time, with no long silence before and every byte right."""
        end = patience.until(self.seconds + 2 * SILENCE)
        while (line := self.stream.get(min(end, patience.until(SILENCE)))) == "alive":
            pass
        pages, wrong, longest = re.fullmatch(r"eater: pages=(\d+) wrong=(\d+) longest=(.*)", line).groups()
        assert int(wrong) == 0
        assert self.stream.process.wait(SILENCE) == 0
        return int(pages), float(longest)


def swap_on(cluster, node, mem, front_end):
    if front_end == "frontswap":
        cluster.swapon_frontswap(node, "backing")
    else:
        cluster.swapon_swapdev(node, f"{2 * mem}M", backing="backing")


def exhaust(cluster, mem, front_end):
    n1, *donors = cluster.lab
    for node in cluster.lab:
        node.sh("echo 1 >/proc/sys/kernel/hung_task_panic && echo 60 >/proc/sys/kernel/hung_task_timeout_secs")
    for donor in donors:
        donor.sh("mkswap /dev/disk/backing && swapon /dev/disk/backing")
    for _ in range(2):
        swap_on(cluster, n1, mem, front_end)
        eaters = [Eater(n1, mem * 3 // 2, SECONDS)] + [Eater(donor, 200, SECONDS) for donor in donors]
        for eater in eaters:
            print(f"{front_end}, {mem} MiB: pages=%d longest=%.1f" % eater.wait())
        cluster.swapoff(n1)
    counters = cluster.counters(n1)
    assert (counters["loads_failed"], counters["pages_lost"], counters["pages_remote"]) == (0, 0, 0)
    assert counters["remotify_pages"] > 0


@pytest.mark.parametrize("mem, front_end", CELLS)
@pytest.mark.cluster(seal="on")
def test_memory_is_exhausted(cluster, mem, front_end):
    exhaust(cluster, mem, front_end)


@pytest.mark.skipif(not LONG, reason="only in make test-exhaustion")
@pytest.mark.lab(nodes=3, mem="n1=128,224", disks=["n1=backing:256", "n2=backing:448", "n3=backing:448"])
@pytest.mark.allow_splats(".")
@pytest.mark.cluster(seal="on", without="reserves")
def test_without_the_reserves_it_fails(cluster):
    """So the test above is one that can fail."""
    with pytest.raises((AssertionError, TimeoutError, labnet.LabError)) as failure:
        exhaust(cluster, 128, "swapdev")
    print("without the reserves:", failure.value)
