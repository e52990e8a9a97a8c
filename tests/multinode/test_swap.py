# SPDX-License-Identifier: GPL-2.0-or-later
"""A node's swap lands in its peers' RAM and comes back, byte for byte, through each front end."""
import pytest

from hold import Hold
from labnet import Failed

pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,384", disks=["n1=swap:512"])

FRONT_ENDS = ("swapdev", "frontswap")
COMPRESSORS = ("lzo", "lzo-rle", "lz4", "zstd")
COMPRESSOR = "/sys/module/ramster/parameters/compressor"


def swapon(cluster, front_end):
    if front_end == "swapdev":
        cluster.swapon_swapdev(cluster.lab["n1"], "512M")
        cluster.wait_space(cluster.lab["n1"])
    else:
        cluster.swapon_frontswap(cluster.lab["n1"], "swap")


def remote_pages(status):
    """How many pages each peer has, by its name."""
    return {node["name"]: node["pages"] for node in status["nodes"] if not node["local"]}


def use_counts(cluster, node):
    """The use counts of our modules, by their names; without those of connections, which count where lockdep knows locks."""
    counts = {name: int(users) for name, _, users, *_ in
              (line.split() for line in node.sh("grep ^ramster /proc/modules").splitlines())}
    if "ramster" in counts and "lockdep" in node.sh("ls /proc").split():
        counts["ramster"] -= sum(peer["connections"] for peer in cluster.status(node)["nodes"])
    return counts


def assert_status_agrees(cluster, node):
    """ramster status tells what the kernel counts; a few pages may move in between."""
    status = cluster.wait_status(
        node, lambda status: sum(remote_pages(status).values()) == status["counters"]["pages_remote"])
    counters = cluster.counters(node)
    for name in ("pages_remote", "pages_local", "remotify_pages", "tx_bytes"):
        assert status["counters"][name] == pytest.approx(counters[name], rel=0.05, abs=50), name
    return status


@pytest.mark.cluster(seal="on")
@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_pages_live_with_both_peers_and_come_home(cluster, front_end):
    n1 = cluster.lab["n1"]
    in_use = use_counts(cluster, n1)
    swapon(cluster, front_end)
    with Hold(n1, 40, seed=2) as small, Hold(n1, 264) as large:
        counters = cluster.wait_counters(n1, lambda counters: counters["pages_remote"] >= 30000)
        assert counters["bookkeeping_per_page_milli"] <= 24000
        assert counters["remotify_items"] >= 16 * counters["remotify_writes"]
        assert counters["remotify_pages"] >= 16 * counters["remotify_writes"]
        # Of the usual mixture a page takes 1.5 KiB.
        assert counters["tx_bytes"] <= 2048 * counters["remotify_pages"]
        # It fills faster than donors take it, but none of its pages is refused while they do.
        assert n1.sh("dmesg | grep -c 'ramster0: full' || true") == "0"

        status = assert_status_agrees(cluster, n1)
        pages = remote_pages(status)
        assert sorted(pages) == ["n2", "n3"] and min(pages.values()) >= max(pages.values()) / 4
        for name, number in pages.items():
            cluster.wait_status(cluster.lab[name], lambda status: status["lender"]["write_items"] >= number)

        large.assert_right()
        large.end()
        assert cluster.counters(n1)["loads_failed"] == 0
        # What is left belongs to the small one; then that comes home, too.
        cluster.wait_counters(n1, lambda counters: counters["pages_remote"] + counters["pages_local"] <= small.pages + 1)
        cluster.swapoff(n1)
        counters = cluster.counters(n1)
        assert {name: counters[name] for name in ("pages_remote", "pages_local", "pages_clean", "pages_same",
                                                  "zpage_bytes", "remote_used_bytes", "loads_failed")} == {
            "pages_remote": 0, "pages_local": 0, "pages_clean": 0, "pages_same": 0, "zpage_bytes": 0,
            "remote_used_bytes": 0, "loads_failed": 0}
        small.assert_right()
        small.end()
    assert_status_agrees(cluster, n1)
    # The swapping has left nothing that holds the modules.
    assert use_counts(cluster, n1) == in_use
    cluster.unload(n1)
    assert use_counts(cluster, n1) == {"ramster_frontswap": in_use["ramster_frontswap"] - 1}


@pytest.mark.parametrize("allocator", [
    pytest.param(name, marks=pytest.mark.cluster(parameters=f"allocator={name}")) for name in ("zbud", "zsmalloc")])
def test_compressors_change_while_pages_are_away(cluster, allocator):
    """Pages that each of them has made are right, whatever is chosen since."""
    n1 = cluster.lab["n1"]
    assert n1.sh("cat /sys/module/ramster/parameters/allocator") == allocator
    cluster.swapon_swapdev(n1, "512M")
    cluster.wait_space(n1)
    n1.sh(f"echo {COMPRESSORS[-1]} >{COMPRESSOR}")
    with Hold(n1, 160) as hold:
        quarter = hold.pages // len(COMPRESSORS)
        for number, name in enumerate(COMPRESSORS):
            n1.sh(f"echo {name} >{COMPRESSOR}")
            assert n1.sh(f"cat {COMPRESSOR}") == name
            hold.rewrite(number * quarter, quarter)
        with pytest.raises(Failed):
            n1.sh(f"echo gzip >{COMPRESSOR}")
        assert n1.sh(f"cat {COMPRESSOR}") == COMPRESSORS[-1]
        hold.assert_right()
        hold.end()
    counters = cluster.counters(n1)
    assert counters["loads_failed"] == 0 and counters["loads_remote"] > 0 and counters["loads_local"] > 0
    assert counters["stores_raw"] > 0 and counters["stores_same"] > 0 and counters["loads_same"] > 0


@pytest.mark.cluster(parameters="synchronous=1")
def test_synchronous_faults_bypass_the_swap_cache(cluster):
    n1 = cluster.lab["n1"]
    cluster.swapon_swapdev(n1, "512M")
    cluster.wait_space(n1)
    with Hold(n1, 160) as hold:
        hold.assert_right()
        hold.rewrite(0, hold.pages // 4)
        hold.assert_right()
        cached = int(n1.sh("grep SwapCached: /proc/meminfo").split()[1])
        assert cached < 4 << 10  # KiB: no more than what is being written
        hold.end()
    counters = cluster.counters(n1)
    assert counters["loads_failed"] == 0 and counters["loads_remote"] > 0
