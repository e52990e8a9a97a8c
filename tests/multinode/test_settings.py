# SPDX-License-Identifier: GPL-2.0-or-later
"""What an administrator writes into /sys by mistake is refused with the reason, and what was set before stays."""
import pytest

import labnet
import ramster

pytestmark = pytest.mark.lab(nodes=1, mem=128, disks=["n1=backing:64"])

PARAMETERS = "/sys/module/ramster/parameters"
NODES = "/sys/kernel/config/ramster/lab/node"
BACKING = "/dev/disk/backing"
INVALID, RANGE, EXISTS, BUSY = "Invalid argument", "Numerical result out of range", "File exists", "Device or resource busy"
FULL, NOT_THERE = "No space left on device", "No such file or directory"


def assert_refused(node, path, value, why):
    """The file says afterwards what it said before."""
    before = node.sh(f"cat {path}")
    with pytest.raises(labnet.Failed) as error:
        node.run("sh", "-c", 'echo "$2" | dd of="$1"', "sh", path, value)
    assert why in error.value.err, (path, value)
    assert node.sh(f"cat {path}") == before


def test_parameters(cluster):
    n1 = cluster.lab["n1"]
    for name, values in {"compressor": ["gzip", ""], "remotify_percent": ["0", "51", "-1", "many"],
                         "local_max_percent": ["0", "51", ""], "low_water_mb": ["-1", "many"], "copies": ["0", "3", "two"],
                         "restore_after": ["-1", "soon"], "writethrough": ["2", "maybe"], "seal": ["2", "maybe"]}.items():
        for value in values:
            assert_refused(n1, f"{PARAMETERS}/{name}", value, INVALID)
    for name, value in {"compressor": "zstd", "remotify_percent": "9", "local_max_percent": "10", "low_water_mb": "16",
                        "copies": "2", "restore_after": "30", "writethrough": "Y", "seal": "Y"}.items():
        assert n1.sh(f"cd {PARAMETERS} && echo {value} >{name} && cat {name}").strip() == value


def test_the_module_is_not_loaded_with_nonsense(cluster):
    n1 = cluster.lab["n1"]
    cluster.unload(n1)
    for parameter in ("allocator=slab", "compressor=gzip", "remotify_percent=0", "copies=3", "seal=maybe"):
        with pytest.raises(labnet.Failed) as error:
            n1.run("insmod", "/lib/ramster/ramster.ko", parameter)
        assert "nvalid" in error.value.err
        assert "ramster " not in n1.sh("cat /proc/modules")
        assert parameter.partition("=")[0] in n1.sh("dmesg | tail -n 3")
    cluster.load(n1)


def test_swap_device(cluster):
    n1 = cluster.lab["n1"]
    device = ramster.SWAPDEV_SETTINGS
    for value in ("0", "12", "64MiB", "many", "-1", "1E"):
        assert_refused(n1, f"{device}/disksize", value, INVALID)
    assert_refused(n1, f"{device}/backing_dev", "/dev/none", NOT_THERE)
    assert_refused(n1, f"{device}/backing_dev", ramster.SWAPDEV, INVALID)

    n1.sh(f"echo {BACKING} >{device}/backing_dev")
    assert_refused(n1, f"{device}/backing_dev", BACKING, BUSY)
    assert_refused(n1, f"{device}/disksize", "128M", FULL)
    assert f"ramster0: the backing device {BACKING} has less than {128 << 20} bytes" in n1.sh("dmesg")
    assert n1.sh(f"echo 64M >{device}/disksize && cat {device}/disksize {device}/backing_dev").split() == [str(64 << 20), BACKING]
    assert_refused(n1, f"{device}/disksize", "32M", BUSY)

    with pytest.raises(labnet.Failed):
        n1.sh(f"echo 0 >{device}/reset")
    with pytest.raises(labnet.Failed) as error:
        n1.sh(f"exec 3<{ramster.SWAPDEV}; echo 1 | dd of={device}/reset")
    assert BUSY in error.value.err
    assert n1.sh(f"echo 1 >{device}/reset && cat {device}/disksize {device}/backing_dev").split() == ["0", "none"]


def test_nodes(cluster):
    n1 = cluster.lab["n1"]
    n1.sh(f"mkdir {NODES}/n8 {NODES}/n9 && cd {NODES}/n8 && echo 8 >num && echo fd00::8 >address && echo 1 >port")
    for name, value, why in (("num", "", INVALID), ("num", "255", RANGE), ("num", "8", EXISTS), ("num", "1", EXISTS),
                             ("address", "", INVALID), ("address", "10.0.0.256", INVALID), ("address", "n9", INVALID),
                             ("address", "1" * 100, INVALID), ("port", "0", RANGE), ("port", "65536", RANGE),
                             ("port", "http", INVALID), ("local", "maybe", INVALID), ("local", "1", EXISTS)):
        assert_refused(n1, f"{NODES}/n9/{name}", value, why)
    assert n1.sh(f"cd {NODES}/n8 && cat num address port local state").split() == ["8", "fd00::8", "1", "0", "unused"]
    n1.sh(f"rmdir {NODES}/n8 {NODES}/n9")
