# SPDX-License-Identifier: GPL-2.0-or-later
"""
Programs that want half as much memory again as the node has, while its donors are short of memory, too: every page is
right, no task hangs, nothing is killed, and swap can be taken away and given again. EXHAUSTION_SECONDS says for how long.
A module that was built without the kernel's reserves shows what they are for.
"""
import contextlib
import os
import re

import pytest

import labnet
import ramster
from labnet import patience

SECONDS = int(os.environ.get("EXHAUSTION_SECONDS", 15))
LONG = SECONDS >= 30  # as `make test-exhaustion` has it
DONOR = 288  # MiB of RAM
LENT = 96  # MiB of it
SILENCE = 20  # seconds for which a program that swaps may be silent
DEAF = ("16", "128")  # sockets of a program that reads nothing, and KiB of packets that each holds
FLOOD = 1500  # packets a second that it is sent


def cell(mem, front_end="swapdev"):
    return pytest.param(mem, front_end, id=f"{front_end}-{mem}", marks=pytest.mark.lab(
        nodes=3, mem=f"n1={mem},{DONOR}", disks=[f"n1=backing:{2 * mem}", f"n2=backing:{2 * DONOR}",
                                                      f"n3=backing:{2 * DONOR}"]))


CELLS = [cell(128), cell(128, "nodisk")] + [cell(mem) for mem in (192, 256, 512) if LONG] + \
        [cell(mem, "frontswap") for mem in (128, 256) if LONG]


class Eater:
    """A program that eats memory and tells that it is alive."""

    def __init__(self, lab, node, mib, seconds):
        self.lab = lab
        self.seconds = seconds
        self.stream = ramster.Stream(node, "eater", mib, seconds)

    def wait(self):
        """Until its end, which must come in time, with no long silence before and every byte right."""
        end = patience.until(self.seconds + 2 * SILENCE)
        try:
            while (line := self.stream.get(min(end, patience.until(SILENCE)))) == "alive":
                pass
        except TimeoutError:
            for node in self.lab:
                print(whereabouts(node))
            raise
        pages, wrong, longest = re.fullmatch(r"eater: pages=(\d+) wrong=(\d+) longest=(.*)", line).groups()
        assert int(wrong) == 0
        assert self.stream.process.wait(SILENCE) == 0
        return int(pages), float(longest)


def whereabouts(node):
    """For whoever wonders why a program is silent: tasks, memory, disks, which packets are sent again, the counters."""
    with contextlib.suppress(TimeoutError, labnet.LabError):
        return node.sh("for key in t m; do echo $key >/proc/sysrq-trigger; done; dmesg | tail -n 3000; "
                       "grep . /sys/block/*/inflight; cat /proc/zoneinfo /proc/vmstat /proc/net/tcp; "
                       f"cat {ramster.COUNTERS}", timeout=SILENCE, check=False)
    return f"{node} is silent"


def swap_on(cluster, node, mem, front_end):
    if front_end == "frontswap":
        cluster.swapon_frontswap(node, "backing")
    elif front_end == "swapdev":
        cluster.swapon_swapdev(node, f"{2 * mem}M", backing="backing")
    else:
        cluster.swapon_swapdev(node, f"{2 * mem}M")
        cluster.wait_space(node)


@contextlib.contextmanager
def nothing(*_):
    yield


@contextlib.contextmanager
def packets(cluster, seconds):
    """The network brings n1 packets that nobody reads, so that for a while they take what n1 has for those of its donors."""
    n1, _, n3 = cluster.lab
    deaf = ramster.Stream(n1, "deaf", *DEAF)
    assert deaf.get(patience.until(SILENCE)) == "ready"
    flood = n3.start("deaf", "--flood", n1.address, DEAF[0], seconds, FLOOD)
    yield
    assert flood.wait(seconds + SILENCE) == 0
    deaf.close()


def exhaust(cluster, mem, front_end, beside=nothing):
    """Returns how many pages n1's eater had."""
    n1, *donors = cluster.lab
    for node in cluster.lab:
        node.sh("echo 1 >/proc/sys/kernel/hung_task_panic && echo 60 >/proc/sys/kernel/hung_task_timeout_secs")
    for donor in donors:
        donor.sh("mkswap /dev/disk/backing && swapon /dev/disk/backing")
    done = 0
    for _ in range(2):
        swap_on(cluster, n1, mem, front_end)
        eaters = [Eater(cluster.lab, n1, mem * 3 // 2, SECONDS)]
        # Pages are with the donors when these have to do without what they lend. The second time they lend less.
        cluster.wait_counters(n1, lambda counters: counters["remotify_pages"] > 1000)
        if front_end != "nodisk":  # else nobody has room
            eaters += [Eater(cluster.lab, donor, DONOR - LENT // 2, SECONDS) for donor in donors]
        with beside(cluster, SECONDS):
            for number, eater in enumerate(eaters, 1):
                pages, longest = eater.wait()
                print(f"{front_end}, {mem} MiB: n{number} ate {pages} pages, one took {longest:.1f} s")
                done += pages * (number == 1)
        cluster.swapoff(n1)
    counters = cluster.counters(n1)
    assert (counters["loads_failed"], counters["pages_lost"], counters["pages_remote"]) == (0, 0, 0)
    return done


def cluster_on(lab, without=""):
    conf = ramster.configuration(lab, lend={"n1": "off", "n2": f"{LENT}M", "n3": f"{LENT}M"}, seal="on")
    return ramster.Cluster(lab, conf, without=without)


@pytest.mark.parametrize("mem, front_end", CELLS)
def test_memory_is_exhausted(lab, mem, front_end):
    with cluster_on(lab) as cluster:
        exhaust(cluster, mem, front_end)


@pytest.mark.parametrize("mem, front_end", [cell(128, "nodisk")])
def test_memory_is_exhausted_and_packets_take_the_rest(lab, mem, front_end):
    with cluster_on(lab) as cluster:
        exhaust(cluster, mem, front_end, packets)


@pytest.mark.skipif(not LONG, reason="only in make test-exhaustion")
@pytest.mark.parametrize("mem, front_end", [cell(128, "nodisk")])
@pytest.mark.allow_splats("")  # whatever the node says on which it does not work
def test_without_the_reserves_it_does_not_work(lab, mem, front_end):
    """A module that may not use them: so it is known that the test before this one can fail."""
    with cluster_on(lab, without="reserves") as cluster:
        with pytest.raises((TimeoutError, labnet.LabError)) as failure:
            exhaust(cluster, mem, front_end, packets)
        print(failure.value)
