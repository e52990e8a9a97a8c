# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab does what docs/lab.md says."""
import concurrent.futures
import hashlib
import os
import queue
import random
import select
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from labnet import Failed, Lab, LabError, client, frames, paths

pytestmark = pytest.mark.lab(nodes=3, mem="64", disks=["n2=data:16"])

COMMAND = os.path.join(paths.SOURCES, "lab")


def pings(source, target):
    return source.run("ping", "-c", "1", "-W", "1", target.name, check=False).status == 0


def test_a_command_has_its_output_and_status(lab):
    done = lab["n1"].run("sh", "-c", "cat; echo error >&2; exit 7", input=b"some input", check=False)
    assert (done.status, done.out, done.err) == (7, "some input", "error\n")
    assert lab["n1"].run("sh", "-c", "kill -TERM $$", check=False).status == 128 + signal.SIGTERM
    assert lab["n1"].run("no-such-command", check=False).status == 127
    with pytest.raises(Failed, match="n1: false: exit status 1"):
        lab["n1"].run("false")


def test_a_clock_is_right(lab):
    def uptime():
        begun = time.monotonic()
        return begun, float(lab["n1"].sh("cut -d' ' -f1 /proc/uptime")), time.monotonic()

    first = uptime()
    time.sleep(1)
    last = uptime()
    least, most = last[0] - first[2], last[2] - first[0]
    assert 0.98 * least - 0.02 < last[1] - first[1] < 1.02 * most + 0.02


def test_output_comes_while_the_command_runs(lab):
    lines = queue.Queue()
    process = lab["n1"].start("sh", "-c", "echo first; read line; echo $line", sink=lambda _, data: lines.put(data))
    assert lines.get(timeout=30) == b"first\n"
    process.write(b"second\n")
    assert lines.get(timeout=30) == b"second\n"
    assert process.wait(30) == 0


def test_many_commands_at_once(lab):
    processes = [lab["n1"].start("sh", "-c", "read line; echo $line") for _ in range(20)]
    for number, process in reversed(list(enumerate(processes))):
        process.write(f"{number}\n".encode())
    for number, process in enumerate(processes):
        assert (process.wait(60), process.out) == (0, f"{number}\n")


def test_one_command_more_than_the_agent_runs_is_refused(lab):
    processes = [lab["n1"].start("cat") for _ in range(frames.CHANNELS - 1)]
    with pytest.raises(LabError, match="already runs"):
        lab["n1"].start("cat")
    for process in processes:
        process.close_stdin()
    assert [process.wait(60) for process in processes] == [0] * len(processes)


def test_a_slow_reader_holds_up_nobody(lab):
    go_on = threading.Event()
    process = lab["n1"].start("cat", "/dev/zero", sink=lambda *_: go_on.wait())
    assert lab["n1"].run("echo", "quick").out == "quick\n"
    process.kill()
    go_on.set()
    assert process.wait(30) == 128 + signal.SIGKILL


def test_a_command_that_leaves_a_daemon_behind_ends(lab):
    assert lab["n1"].run("sh", "-c", "sleep 1000 & echo $!", timeout=30).status == 0
    lab["n1"].run("killall", "sleep")


def test_a_timeout_kills(lab):
    with pytest.raises(TimeoutError):
        lab["n1"].run("sleep", "1000", timeout=0.2)
    process = lab["n1"].start("sleep", "1000")
    process.kill()
    assert process.wait(30) == 128 + signal.SIGKILL


def test_a_client_that_goes_away_takes_its_command_with_it(lab):
    process = lab["n1"].start("sh", "-c", "trap '' HUP; echo up; exec sleep 1001", sink=lambda *_: up.set())
    up = threading.Event()
    up.wait(30)
    process.connection.shutdown(2)
    lab["n1"].run("sh", "-c", "while pgrep -f '[s]leep 1001'; do usleep 10000; done", timeout=30)


def test_a_terminal(lab):
    process = lab["n1"].start("sh", "-c", "tty; test -t 1 && echo yes", flags=frames.TERMINAL)
    assert process.wait(30) == 0
    assert process.out == "/dev/pts/0\r\nyes\r\n"


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_files_arrive_whole(lab, size, tmp_path):
    data = random.Random(size).randbytes(size)
    (tmp_path / "there").write_bytes(data)
    (tmp_path / "there").chmod(0o755)
    lab["n1"].put(tmp_path / "there", "/run/new/directory/file")
    assert lab["n1"].sh("sha256sum /run/new/directory/file").split()[0] == hashlib.sha256(data).hexdigest()
    assert lab["n1"].sh("stat -c %a /run/new/directory/file") == "755"
    lab["n1"].get("/run/new/directory/file", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    with pytest.raises(LabError, match="No such file"):
        lab["n1"].get("/run/nothing", tmp_path / "nothing")


def test_directories_arrive_whole(lab, tmp_path):
    (tmp_path / "some" / "deep").mkdir(parents=True)
    (tmp_path / "some" / "deep" / "file").write_text("text")
    lab["n1"].put(tmp_path / "some", "/run/tree")
    assert lab["n1"].sh("cat /run/tree/deep/file") == "text"


def test_cut_and_heal(lab):
    n1, n2, n3 = lab
    assert pings(n1, n2)
    lab.cut(n1, n2)
    assert not pings(n1, n2) and pings(n1, n3) and pings(n3, n2)
    lab.heal(n1, n2)
    assert pings(n1, n2)
    lab.cut(n1, n2, one_way=True)
    assert not pings(n2, n1)
    lab.heal(n2, n1, one_way=True)
    assert not pings(n2, n1)
    lab.heal(n1, n2, one_way=True)
    assert pings(n2, n1)


def test_delay_and_drop(lab):
    n1, n2, _ = lab
    lab.delay(n1, n2, 100)
    round_trip = float(n1.run("ping", "-c", "3", "-i", "0.1", "-q", "n2").out.split("min/avg/max = ")[1].split("/")[0])
    assert round_trip >= 200
    lab.heal(n1, n2)
    lab.drop(n1, n2, 100)
    assert not pings(n1, n2)
    lab.drop(n1, n2, 30)
    out = n1.run("ping", "-c", "100", "-i", "0.01", "-W", "1", "-q", "n2", check=False).out
    assert 10 < int(out.split("transmitted, ")[1].split()[0]) < 90
    lab.heal(n1, n2)


def link(lab, source, target):
    return next(link for link in lab.links() if (link["from"], link["to"]) == (source, target))


def test_links_are_counted(lab):
    before = link(lab, "n1", "n2")["bytes"]
    lab["n1"].run("ping", "-c", "2", "-s", "1000", "-i", "0.1", "n2")
    assert link(lab, "n1", "n2")["bytes"] - before >= 2 * 1000


def send(source, target, mib):
    """Sends random bytes over TCP, and looks whether they arrive as they were sent."""
    receiver = target.start("sh", "-c", "nc -l -p 7 | sha256sum")
    target.sh("until ss -ltn | grep -q ':7 '; do usleep 10000; done")
    sent = source.sh(f"head -c {mib << 20} /dev/urandom >/tmp/data; sha256sum </tmp/data; nc {target.name} 7 </tmp/data")
    source.sh("rm /tmp/data")
    assert receiver.wait(120) == 0 and receiver.out.strip() == sent


def test_bulk_data_goes_in_large_frames(lab):
    n1, n2, _ = lab
    before = link(lab, "n1", "n2")
    send(n1, n2, 8)
    after = link(lab, "n1", "n2")
    assert after["bytes"] - before["bytes"] > 8 << 20
    assert (after["bytes"] - before["bytes"]) / (after["frames"] - before["frames"]) > 4 * 1514


def test_bulk_data_arrives_whole_over_a_bad_link(lab):
    n1, n2, _ = lab
    lab.drop(n1, n2, 2)
    lab.delay(n1, n2, 2)
    lost = link(lab, "n1", "n2")["lost"]
    while link(lab, "n1", "n2")["lost"] == lost:
        send(n1, n2, 4)
    lab.heal(n1, n2)


def test_capture(lab, tmp_path):
    lab.capture("n1", tmp_path / "pcap")
    lab["n2"].run("ping", "-c", "1", "-p", "ab", "n1")
    lab.capture("n1", None)
    data = (tmp_path / "pcap").read_bytes()
    assert data[:4] == bytes.fromhex("d4c3b2a1") and data.count(b"\xab" * 40) == 2


def test_console(lab):
    mark = lab["n1"].console_mark()
    waiting = queue.Queue()
    threading.Thread(target=lambda: waiting.put(lab["n1"].wait_console("said [0-9]+", since=mark)), daemon=True).start()
    lab["n1"].detach("sh", "-c", "echo it said 42")
    assert waiting.get(timeout=60) == "it said 42"
    assert lab["n1"].wait_console("said [0-9]+", since=mark) == "it said 42"
    with pytest.raises(LabError, match="no line with"):
        lab["n1"].wait_console("never", timeout=0.1)


@pytest.mark.allow_splats("WARNING: this is")
def test_splats_are_seen(lab):
    marks = lab.console_marks()
    lab["n2"].sh("echo '<4>WARNING: this is a test' >/dev/kmsg")
    lab["n2"].wait_console("this is a test", since=marks["n2"])
    assert [line.split(": ")[0] for line in lab.splats(marks)] == ["n2"]
    assert not lab.splats(marks, ["this is a test"])


@pytest.mark.allow_splats("invoked oom-killer", "Call Trace")
def test_commands_run_while_memory_is_exhausted(lab):
    hog = lab["n3"].start("tail", "/dev/zero")
    while not hog.over:
        assert lab["n3"].run("cat", "/proc/loadavg", timeout=120).status == 0
    assert hog.wait(60) == 128 + signal.SIGKILL


def test_pause_and_resume(lab):
    n1, n2, _ = lab
    n2.pause()
    assert n2.status["state"] == "paused"
    assert not pings(n1, n2)
    n2.resume()
    assert pings(n1, n2)


def test_frames_wait_for_a_paused_node(lab):
    n1, n2, _ = lab
    assert pings(n1, n2)
    n2.pause()
    before = link(lab, "n1", "n2")["frames"]
    ping = n1.start("ping", "-c", "10", "-i", "0.01", "-W", "60", "-q", "n2")
    while link(lab, "n1", "n2")["frames"] < before + 10:
        assert not ping.over
    n2.resume()
    assert ping.wait(60) == 0 and "10 packets received" in ping.out


def test_data_goes_on_through_a_pause(lab):
    n1, n2, _ = lab
    before = link(lab, "n1", "n2")["bytes"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(send, n1, n2, 12)
        for node, part in ((n2, 3 << 20), (n1, 6 << 20)):
            while link(lab, "n1", "n2")["bytes"] < before + part:
                assert not sending.done()
            node.pause()
            node.resume()
        sending.result()


def test_kill_and_cycle(lab):
    n1, n2, _ = lab
    n2.sh("echo kept | dd of=/dev/disk/data conv=fsync; echo gone >/root/file")
    sleeping = n2.start("sleep", "1000")
    n2.kill()
    with pytest.raises(LabError, match="n2 has stopped"):
        sleeping.wait(30)
    with pytest.raises(LabError, match="n2 is off"):
        n2.run("true")
    assert not pings(n1, n2)
    n2.cycle()
    assert n2.sh("head -n 1 /dev/disk/data; ls /root") == "kept"
    assert pings(n1, n2)
    send(n1, n2, 1)


def test_what_the_image_holds_can_run(lab):
    for command in ("redis-server --version", "redis-cli --version", "corosync -v", "nbd-server -V", "nbd-client -V",
                    "strace -V", "ss -V", "tc -V", "ip -V", "modprobe -V", "mkswap -V", "swapon -V", "bash --version"):
        lab["n1"].run(*command.split())


# The command

def command(*arguments, **keywords):
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=120, **keywords)


def test_the_command_runs_commands(lab):
    done = command("--lab", lab.name, "run", "n1", "--", "sh", "-c", "cat; echo err >&2; exit 3", input="in")
    assert (done.returncode, done.stdout, done.stderr) == (3, "in", "err\n")
    assert command("run", "--lab", lab.name, "--timeout", "0.2", "n1", "--", "sleep", "1000").returncode == 124
    assert "n3" in command("status", "--lab", lab.name).stdout


@pytest.mark.parametrize("arguments, complaint", [
    ("run n9 true", "unknown node n9 (nodes: n1 n2 n3)"),
    ("run n1", "run: which command?"),
    ("fly n1", "invalid choice: 'fly'"),
    ("cut n1", "the following arguments are required: b"),
    ("cut n1 n9", "unknown node n9"),
    ("delay n1 n2 -5", "bad delay -5"),
    ("drop n1 n2 101", "bad percentage 101"),
    ("put n1 /no/such/file /tmp", "no such file: /no/such/file"),
    ("up", "is already up"),
    ("up --lab a/b", "bad lab name"),
    ("up --nodes 0", "bad number of nodes '0' (expected 1 to 16)"),
    ("up --nodes x", "bad number of nodes"),
    ("up --mem n1=12", "bad memory (MiB) '12'"),
    ("up --mem n7=128", "unknown node n7 in mem"),
    ("up --cpus 99", "bad number of CPUs '99'"),
    ("up --disk swap", "bad disk 'swap'"),
    ("up --disk swap:1X", "bad disk size '1X'"),
    ("up --disk swap:1:fast", "bad disk speed"),
    ("up --disk a:1 --disk a:2", "n1 has two disks named a"),
    ("up --file n1:/no/such:/x", "no such file"),
    ("up --file n1:/etc/passwd:x", "bad file"),
    ("up --kernel 1.0", "unknown kernel 1.0"),
    ("status --lab nobody", "lab nobody is not up"),
    ("run --lab nobody n1 true", "lab nobody is not up"),
])
def test_mistakes_get_one_line_and_status_2(lab, arguments, complaint):
    done = command("--lab", lab.name, *arguments.split())
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("lab: ") and complaint in done.stderr


# Nothing stays behind. These have a lab of their own.

@pytest.fixture
def other():
    """The name for one."""
    name = f"other{os.getpid()}"
    yield name
    command("down", "--lab", name)
    shutil.rmtree(paths.logs(name), ignore_errors=True)


def processes_of(lab):
    """A pidfd for the supervisor, the switch and every QEMU: readable when the process has ended."""
    status = lab.status()
    return [os.pidfd_open(pid) for pid in
            [status["pid"], status["switch_pid"]] + [node["pid"] for node in status["nodes"]]]


def assert_ended(pidfds):
    for pidfd in pidfds:
        assert select.select([pidfd], [], [], 30)[0], "a process of the lab is left"
        os.close(pidfd)


def test_down_leaves_nothing_and_may_be_repeated(tmp_path, other):
    (tmp_path / "file").write_text("put at boot")
    lab = Lab.up(name=other, nodes=1, files=[f"{tmp_path}/file:/root/file"])
    assert lab["n1"].sh("cat /root/file") == "put at boot"
    (tmp_path / "file").write_text("put anew")
    lab["n1"].cycle()
    assert lab["n1"].sh("cat /root/file") == "put anew"
    pidfds = processes_of(lab)
    lab.down()
    assert_ended(pidfds)
    assert not os.path.exists(paths.state(other)) and os.path.exists(paths.logs(other))
    lab.down()
    assert command("down", "--lab", other).returncode == 0


def test_a_lab_ends_with_the_process_that_brought_it_up(other):
    script = f"import labnet, sys; lab = labnet.Lab.up(name='{other}', nodes=1); print('up', flush=True); sys.stdin.read()"
    owner = subprocess.Popen([sys.executable, "-c", script], cwd=paths.SOURCES, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    assert owner.stdout.readline() == "up\n"
    pidfds = processes_of(Lab(other))
    owner.kill()
    owner.communicate()
    assert_ended(pidfds)


def test_nothing_outlives_a_killed_supervisor(other):
    assert command("up", "--lab", other, "--nodes", "2").returncode == 0
    lab = Lab(other)
    pidfds = processes_of(lab)
    os.kill(lab.status()["pid"], signal.SIGKILL)
    assert_ended(pidfds)
    assert command("status", "--lab", other).returncode == 2
    assert command("down", "--lab", other).returncode == 0
    assert not os.path.exists(paths.state(other))


def test_an_interrupted_up_leaves_nothing(other):
    up = subprocess.Popen([COMMAND, "up", "--lab", other, "--nodes", "2"], stderr=subprocess.PIPE, text=True,
                          start_new_session=True)
    assert up.stderr.readline() == "lab: booting n1 n2\n"
    up.send_signal(signal.SIGINT)
    assert up.wait(30) == 130
    up.stderr.close()
    client.wait_until_down(other)
    assert not os.path.exists(paths.state(other))
