# SPDX-License-Identifier: GPL-2.0-or-later
"""writethrough = on: what peers have the disk has, too, so their death loses nothing with one copy."""
import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,256", disks=["n1=backing:384", "n1=swap:256"])

SETTINGS = ramster.SWAPDEV_SETTINGS


@pytest.fixture
def cluster(lab):
    config = ramster.configuration(lab, lend={"n1": "off"}, writethrough="on")
    with ramster.Cluster(lab, config, borrowers=["n1"]) as cluster:
        yield cluster


def no_errors(cluster):
    counters = cluster.counters(cluster.lab["n1"])
    return [counters[name] for name in ("pages_lost", "loads_failed", "bad_seals")] == [0] * 3


@pytest.mark.parametrize("how", ["without power", "cut off"])
def test_donors_die_under_load_and_nothing_is_lost(cluster, how):
    lab = cluster.lab
    n1, n2, n3 = lab
    cluster.swapon_swapdev(n1, "384M", backing="backing")
    cluster.wait_space(n1)
    with Hold(n1, 160) as hold:
        counters = cluster.counters(n1)
        assert 0 < counters["pages_remote"] <= counters["pages_written_through"]
        hold.tell("verify", 0, None)
        for donor in (n2, n3):
            donor.kill() if how == "without power" else lab.cut(n1, donor)
        seen = hold.answer(300)
        assert (seen.right, seen.wrong, seen.failed) == (hold.pages, 0, 0)
        assert cluster.counters(n1)["loads_backing"] > 0
        assert no_errors(cluster)

        # What is written now stays here or goes to the disk.
        hold.rewrite(0, hold.pages // 2)
        hold.assert_right(timeout=300)
        if how == "without power":
            for donor in (n2, n3):
                donor.cycle()
                cluster.install(donor)
                cluster.start(donor)
        else:
            lab.heal(n1, n2)
            lab.heal(n1, n3)
        cluster.wait_up()
        hold.rewrite(hold.pages // 2, None)
        hold.assert_right(timeout=300)
        hold.end()
    assert no_errors(cluster)


def test_it_wants_a_disk(cluster):
    n1 = cluster.lab["n1"]
    assert n1.run("sh", "-c", f"echo 64M >{SETTINGS}/disksize", check=False).status != 0
    assert "ramster0: writethrough is on, so it wants a backing device first" in n1.sh("dmesg")
    assert n1.sh(f"cat {SETTINGS}/disksize").strip() == "0"


def test_what_the_module_does_not_take_is_in_the_first_line(cluster):
    n1 = cluster.lab["n1"]
    n1.sh(f"echo 0 >/sys/module/ramster/parameters/writethrough && echo 64M >{SETTINGS}/disksize")
    cluster.signal_daemon(n1, "ramsterd")
    verdict = cluster.wait_status(n1, lambda status: "does not take" in status["verdict"])["verdict"]
    assert verdict.startswith("degraded: the module does not take writethrough as cluster.conf has it")
    n1.sh(f"echo 1 >{SETTINGS}/reset")
    cluster.signal_daemon(n1, "ramsterd")
    cluster.wait_status(n1, lambda status: status["verdict"].startswith("ok:"))


def test_frontswap_of_this_kernel_cannot_write_through(cluster):
    n1 = cluster.lab["n1"]
    assert "frontswap: this kernel cannot write through to the swap disk" in n1.sh("dmesg")
    cluster.swapon_frontswap(n1, "swap")
    with Hold(n1, 100) as hold:
        hold.assert_right()
        counters = cluster.counters(n1)
        assert counters["stores"] > 0 and counters["pages_remote"] == 0
        hold.end()
    cluster.swapoff(n1)
    # Turned off, they go to peers as ever.
    n1.sh("echo 0 >/sys/module/ramster/parameters/writethrough")
    cluster.swapon_frontswap(n1, "swap")
    with Hold(n1, 170) as hold:
        cluster.wait_for(lambda counters: counters["pages_remote"] > 0)
        hold.assert_right()
        hold.end()
