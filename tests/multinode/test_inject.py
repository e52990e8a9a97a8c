# SPDX-License-Identifier: GPL-2.0-or-later
"""
Errors that the kernel injects: allocations that fail, one after another or at random, and disks that do not work. What
was begun is taken back, nothing leaks, no byte is wrong, and afterwards all works. On the kernels that can do it.
"""
import errno
import re

import pytest

import ramster
from hold import Hold
from labnet import patience

pytestmark = [
    pytest.mark.skipif(not patience.LOOKS_FOR_MISTAKES, reason="the kernel injects no errors (make test-debug)"),
    pytest.mark.lab(nodes=2, mem="n1=160,256", disks=["n1=swap:384", "n1=backing:384"]),
    pytest.mark.allow_splats("Call Trace", "page allocation failure"),  # of who got no memory
]

MANY = 1000  # seconds for all allocations of a command
FUNCTIONS = "/sys/kernel/debug/fail_function"
LOSE_NOTHING = {"seal_page": errno.EIO, "lease_add": errno.ENOMEM}  # pages stay where they are
FAIL_LOADS = {"seal_open": errno.EBADMSG, "decompress_page": errno.EIO, "request_route": errno.ETIMEDOUT}
NODE = "/sys/kernel/config/ramster/lab/node/n9"


def inject(node, which, **settings):
    """Sets an injector of the kernel up; silent, because each error would have a trace."""
    settings = {"verbose": 0, **{name.replace("_", "-"): value for name, value in settings.items()}}
    node.sh(" && ".join(f"echo {value} >/sys/kernel/debug/{which}/{name}" for name, value in settings.items()))


def fail_allocations(node, probability, waiting=False, **settings):
    """Lets allocations fail that may not wait; with `waiting` the others, too, but for processes' own pages."""
    settings = {"probability": probability, "times": -1, "ignore_gfp_wait": "N" if waiting else "Y", **settings}
    inject(node, "failslab", **settings)
    inject(node, "fail_page_alloc", min_order=0, ignore_gfp_highmem="Y" if waiting else "N", **settings)


def fail_each(node, *command, undo=None):
    """Runs the command once for each allocation in it, with that failing; returns for how many that made it fail."""
    fail_allocations(node, 0, waiting=True)
    done = node.run("failnth", *(("--undo", undo) if undo else ()), *command, timeout=MANY, check=False)
    assert done.status == 0, done.out + done.err
    points, failed = map(int, re.fullmatch(r"points=(\d+) failed=(\d+)\n", done.out).groups())
    print(f"{' '.join(command)}: {points} allocations, {failed} of which it needs")
    return failed


def fail_function(node, name, error, probability):
    node.sh(f"echo {name} >{FUNCTIONS}/inject && echo {2**64 - error} >{FUNCTIONS}/{name}/retval")
    inject(node, "fail_function", probability=probability, times=-1)


def assert_works(cluster, n1):
    """Pages go to a peer and come back; when swap ends nothing is left."""
    cluster.wait_space(n1)
    n1.sh("echo 10 >/sys/module/ramster/parameters/remotify_percent")
    with Hold(n1, 170) as hold:
        cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 0)
        hold.assert_right()
        hold.end()
        cluster.swapoff(n1)
    assert_empty(cluster)


def assert_empty(cluster):
    counters = cluster.counters(cluster.lab["n1"])
    assert [counters[name] for name in ("pages_local", "pages_remote", "pages_backing", "pages_lost")] == [0] * 4


# The kernel's tracing warns when it has no memory to tell of the module's events.
@pytest.mark.allow_splats(r"WARNING: .* at kernel/trace/trace_events\.c", "RIP: 0010:event_define_fields")
def test_each_allocation_of_loading_fails(cluster):
    n1 = cluster.lab["n1"]
    cluster.unload(n1)
    n1.sh("echo 0 >/proc/sys/kernel/panic_on_warn")
    assert fail_each(n1, "insmod", "/lib/ramster/ramster.ko", undo="rmmod ramster") > 20
    n1.sh("echo 1 >/proc/sys/kernel/panic_on_warn")
    cluster.load(n1)
    cluster.start_daemon(n1, "ramsterd")
    cluster.wait_up()
    cluster.swapon_swapdev(n1, "384M", backing="backing")
    assert_works(cluster, n1)


def test_each_allocation_of_a_setting_fails(cluster):
    n1 = cluster.lab["n1"]
    reset = f"echo 1 >{ramster.SWAPDEV_SETTINGS}/reset"
    for name, value in (("seal", "Y"), ("compressor", "zstd"), ("compressor", "lz4")):  # seal before anything is leased
        fail_each(n1, "sh", "-c", f"echo {value} >/sys/module/ramster/parameters/{name}")
    open_backing = f"echo /dev/disk/backing >{ramster.SWAPDEV_SETTINGS}/backing_dev"
    fail_each(n1, "sh", "-c", open_backing, undo=reset)
    n1.sh(open_backing)
    fail_each(n1, "sh", "-c", f"echo 384M >{ramster.SWAPDEV_SETTINGS}/disksize", undo=f"{reset} && {open_backing}")
    n1.sh(reset)
    fail_each(n1, "mkdir", NODE, undo=f"rmdir {NODE}")
    cluster.swapon_swapdev(n1, "384M", backing="backing")
    assert_works(cluster, n1)


@pytest.mark.parametrize("front_end", ["swapdev", "frontswap"])
@pytest.mark.cluster(seal="on")
def test_allocations_fail_at_random_while_memory_is_short(cluster, front_end):
    """Those that may not wait: stores, WRITEs, READs, and what the network does for them."""
    n1 = cluster.lab["n1"]
    if front_end == "swapdev":
        cluster.swapon_swapdev(n1, "384M", backing="backing")
        cluster.wait_space(n1)
    else:
        cluster.swapon_frontswap(n1, "swap")
    for probability in (1, 10):
        fail_allocations(n1, probability)
        with Hold(n1, 170) as hold:
            for _ in range(2):
                hold.assert_right()
                hold.rewrite(0, hold.pages // 4)
            fail_allocations(n1, 0)
            hold.assert_right()
            hold.end()
    if front_end == "swapdev":
        assert_works(cluster, n1)
    else:
        cluster.swapoff(n1)
        assert_empty(cluster)


def test_allocations_of_ramsterds_commands_fail(cluster):
    """Leases and connections are not made then, or made later; nothing is half there."""
    n1 = cluster.lab["n1"]
    n1.sh("for task in /proc/$(pidof ramsterd)/task/*; do echo 1 >$task/make-it-fail; done")
    fail_allocations(n1, 5, waiting=True, task_filter="Y", times=300)
    cluster.swapon_swapdev(n1, "384M", backing="backing")
    with Hold(n1, 170) as hold:
        hold.assert_right()
        hold.end()
    fail_allocations(n1, 0, task_filter="N")
    if cluster.daemons[n1.name, "ramsterd"].over:
        cluster.start_daemon(n1, "ramsterd")
    cluster.wait_up()
    cluster.wait_space(n1)
    assert_works(cluster, n1)


@pytest.fixture
def small_peer(lab):
    """RAMster on a lab whose n2 lends too little: most pages go to the backing device."""
    with ramster.Cluster(lab, ramster.configuration(lab, lend={"n1": "off", "n2": "16M"}, local_max_percent=25,
                                                    remotify_percent=20)) as cluster:
        yield cluster


def test_the_backing_device_fails_at_random(small_peer):
    """A page that it had and cannot read is an I/O error, not other bytes; a page that it cannot take stays in RAM."""
    cluster, n1 = small_peer, small_peer.lab["n1"]
    cluster.swapon_swapdev(n1, "384M", backing="backing")
    n1.sh("echo 1 >/sys/block/$(basename $(readlink /dev/disk/backing))/make-it-fail")
    inject(n1, "fail_make_request", probability=10, times=-1)
    with Hold(n1, 170) as hold:
        seen = hold.verify()
        print(seen)
        assert seen.wrong == 0 and seen.right > 0 and seen.failed > 0
        inject(n1, "fail_make_request", probability=0)
        # The kernel remembers which pages could not be read.
        after = hold.verify()
        print(after)
        assert after.wrong == 0 and after.failed <= seen.failed
        hold.end()
    assert cluster.counters(n1)["loads_failed"] >= seen.failed
    cluster.swapoff(n1)
    assert_empty(cluster)


# To fail at random the kernel draws a number where a breakpoint interrupted, which its lockdep does not like.
@pytest.mark.allow_splats("inconsistent lock state")
@pytest.mark.cluster(seal="on")
def test_functions_of_the_module_fail_at_random(cluster):
    """A load that fails is an I/O error for who wanted the page; no other error is anybody's but ours."""
    n1 = cluster.lab["n1"]
    n1.sh("echo 20 >/sys/module/ramster/parameters/remotify_percent")
    cluster.swapon_swapdev(n1, "384M", backing="backing")
    cluster.wait_space(n1)
    for name, error in {**LOSE_NOTHING, **FAIL_LOADS}.items():
        before = cluster.counters(n1)
        fail_function(n1, name, error, probability=20)
        with Hold(n1, 170) as hold:
            seen = hold.verify(0, hold.pages // 8)  # those that were filled first, which are with the peer
            after = cluster.counters(n1)
            grown = {key: after[key] - before[key] for key in ("remotify_pages", "loads_remote", "bad_seals", "loads_failed")}
            print(name, seen, grown)
            assert seen.wrong == 0
            assert (seen.failed > 0) == (name in FAIL_LOADS)
            assert grown["loads_failed"] >= seen.failed
            assert (grown["bad_seals"] > 0) == (name == "seal_open")
            n1.sh(f"echo >{FUNCTIONS}/inject")
            hold.end()
    assert_works(cluster, n1)
