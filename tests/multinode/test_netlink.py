# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad netlink commands get an errno and an explanation, and change nothing."""
import pytest

from hold import Hold

pytestmark = pytest.mark.lab(nodes=2, mem="n1=128,192")


def test_bad_commands_are_refused_and_explained(cluster):
    n1 = cluster.lab["n1"]
    cluster.stop_daemon(n1, "ramsterd")
    done = n1.run("nltest", "2", check=False)
    assert done.status == 0, done.out + done.err
    assert len(done.out.splitlines()) > 60

    # The kernel goes on, with a ramsterd that finds what the program has left.
    cluster.start_daemon(n1, "ramsterd")
    cluster.wait_up()
    cluster.swapon_swapdev(n1, "256M")
    cluster.wait_space(n1)
    with Hold(n1, 170) as hold:
        cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 1000)
        hold.assert_right()
        hold.end()


def test_commands_are_for_the_administrator(cluster):
    n1 = cluster.lab["n1"]
    done = n1.run("setpriv", "--reuid", "65534", "--clear-groups", "--bounding-set", "-all", "--inh-caps", "-all",
                  "nltest", "2", check=False)
    assert done.status == 3 and "Operation not permitted" in done.err
