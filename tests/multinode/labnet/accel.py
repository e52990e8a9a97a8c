# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether guests can use KVM here: /dev/kvm may exist and yet no guest get past its firmware, so one is booted."""
import dataclasses
import os
import selectors
import subprocess
import time

from . import image, paths  # noqa: F401, paths finds the next

import cache


@dataclasses.dataclass(frozen=True)
class Accel:
    arguments: tuple  # QEMU's
    append: str = ""  # to the command lines of nodes' kernels


KVM = Accel(("-accel", "kvm", "-cpu", "host"))
PROBE_SECONDS = 10


def _boots(kernel):
    qemu = subprocess.Popen(["qemu-system-x86_64", *KVM.arguments, "-m", "256", "-nodefaults", "-no-user-config", "-no-reboot",
                             "-display", "none", "-serial", "stdio", "-kernel", kernel.image,
                             "-append", "console=ttyS0 panic=-1"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    seen, end = b"", time.monotonic() + PROBE_SECONDS
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(qemu.stdout, selectors.EVENT_READ)
            while b"Linux version" not in seen and selector.select(max(0, end - time.monotonic())):
                data = os.read(qemu.stdout.fileno(), 65536)
                if not data:
                    break
                seen += data
    finally:
        qemu.kill()
        qemu.wait()
        qemu.stdout.close()
    return b"Linux version" in seen


def _tcg():
    # Translated code gets 256 MiB; QEMU would take a GiB for each node. It runs "rep movsb" byte by byte, so that the kernel,
    # told that these are fast, would spend half of its time in clearing and copying pages.
    arguments = ("-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max,-erms,-fsrm")
    # A kernel that finds out by itself while the host is busy may be far off, and so all its clocks.
    khz = subprocess.run([image.tsc()], check=True, capture_output=True, text=True).stdout.strip()
    return Accel(arguments, f"tsc_early_khz={khz}")


def choose(kernel):
    """The best accelerator that works; the answer is remembered until the host's next boot."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return _tcg()
    boot = cache.read("/proc/sys/kernel/random/boot_id").strip()
    known = os.path.join(cache.root(), "lab", f"accel-{boot}-{os.getuid()}")
    answer = cache.read(known)
    if answer is None:
        cache.say("lab", f"trying KVM (up to {PROBE_SECONDS} s, once)")
        answer = "kvm" if _boots(kernel) else "tcg"
        cache.write(known, answer)
    return KVM if answer == "kvm" else _tcg()
