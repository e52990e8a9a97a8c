# SPDX-License-Identifier: GPL-2.0-or-later
"""ramsterd ends and starts anew, on either side, while pages move: none is lost, and what was in use stays in use."""
import signal

import pytest

from hold import Hold

pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,256")


def remote(status):
    """The peers' space as n1 sees it: {name: (lender's instance, extents, connections)}."""
    return {node["name"]: (node["lender_instance"], node["extents"], node["connections"])
            for node in status["nodes"] if not node["local"]}


def wait_quiet(cluster, node):
    """A status without want, all peers up: ramsterd has nothing left to do."""
    return cluster.wait_status(node, lambda status: status["need"] == 0 and all(
        peer["local"] or peer["control"] == "up" and peer["data"] == "up" for peer in status["nodes"]))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "ended"])
@pytest.mark.parametrize("side", ["owner", "donor"])
def test_no_page_is_lost_and_nothing_changes(cluster, side, number):
    n1 = cluster.lab["n1"]
    node = n1 if side == "owner" else cluster.lab["n2"]
    cluster.swapon_swapdev(n1, "512M")
    cluster.wait_space(n1)
    with Hold(n1, 160) as hold:
        before = wait_quiet(cluster, n1)
        failed = before["counters"]["connections_failed"]

        # Under load: pages go out and come in all the while.
        hold.tell("rewrite", 0, hold.pages // 2)
        cluster.stop_daemon(node, "ramsterd", number)
        assert hold.answer().word == "rewritten"
        hold.tell("verify", 0, None)
        cluster.start_daemon(node, "ramsterd")
        cluster.wait_up()
        seen = hold.answer()
        assert (seen.right, seen.wrong, seen.failed) == (hold.pages, 0, 0)

        after = wait_quiet(cluster, n1)
        assert after["module"] == before["module"]
        for name, (instance, extents, connections) in remote(before).items():
            now = remote(after)[name]
            assert (now[0], now[2]) == (instance, connections) and now[1] >= extents
        counters = cluster.counters(n1)
        assert (counters["connections_failed"], counters["loads_failed"], counters["pages_lost"]) == (failed, 0, 0)

        # The lenders have leased just what the kernel has.
        for name, (_, extents, _) in remote(after).items():
            lender = cluster.wait_status(cluster.lab[name], lambda status: status["lender"]["extents"] == extents)
            assert lender["lender"]["lent"] == sum(
                peer["space"] for peer in after["nodes"] if peer["name"] == name)
        hold.rewrite(0, hold.pages // 4)
        hold.assert_right(0, hold.pages // 4)
        hold.end()


def test_a_dead_lender_takes_its_pages_and_no_others(cluster):
    """What is lost is lost as an I/O error, at once; what is left is right."""
    n1, n2 = cluster.lab["n1"], cluster.lab["n2"]
    cluster.swapon_swapdev(n1, "512M")
    cluster.wait_space(n1)
    with Hold(n1, 160) as hold:
        pages = cluster.wait_status(n1, lambda status: all(
            peer["local"] or peer["pages"] > 2000 for peer in status["nodes"]))["nodes"]
        cluster.stop_daemon(n2, "ramster-lender", signal.SIGKILL)
        cluster.start_daemon(n2, "ramster-lender")
        cluster.wait_counters(n1, lambda counters: counters["pages_lost"] > 0)
        seen = hold.verify()
        assert seen.wrong == 0 and 0 < seen.failed and seen.right > 0
        lost = cluster.counters(n1)["pages_lost"]
        assert lost == pytest.approx(next(peer["pages"] for peer in pages if peer["name"] == "n2"), rel=0.2)
        hold.kill()
    with Hold(n1, 160) as hold:
        hold.assert_right()
        hold.end()
