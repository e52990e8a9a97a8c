# SPDX-License-Identifier: GPL-2.0-or-later
"""`ramster keygen`: the file with the cluster's keys."""

import os
import subprocess

from authkey import key_id
from test_ramsterd import BUILD


def keygen(path, *options):
    return subprocess.run(
        [BUILD / "ramster", "keygen", "--file", path, *options], capture_output=True, text=True, timeout=10, check=False
    )


def keys_in(path):
    head, *lines = path.read_text().splitlines()
    assert head == "ramster authkey 1"
    return [bytes.fromhex(line[4:]) for line in lines if line.startswith("key ")]


def test_keygen(tmp_path):
    path = tmp_path / "authkey"
    assert keygen(path, "--rotate").returncode == 1 and not path.exists()
    os.umask(0)
    result = keygen(path)
    (first,) = keys_in(path)
    assert len(first) == 32 and path.stat().st_mode & 0o777 == 0o400
    assert f"key {key_id(first)}." in result.stdout and "Copy it to every node" in result.stdout

    refused = keygen(path)
    assert refused.returncode == 1 and "is there already (--rotate adds a newer key to it" in refused.stderr
    assert keys_in(path) == [first]
    assert keygen(path, "--retire").returncode == 1 and keys_in(path) == [first]

    result = keygen(path, "--rotate")
    second, old = keys_in(path)
    assert result.returncode == 0 and old == first != second and path.stat().st_mode & 0o777 == 0o400
    assert f"key {key_id(second)}, and still {key_id(first)}." in result.stdout
    refused = keygen(path, "--rotate")
    assert refused.returncode == 1 and f"has an older key still, {key_id(first)}" in refused.stderr
    assert keys_in(path) == [second, first]

    assert keygen(path, "--retire").returncode == 0 and keys_in(path) == [second]
    assert keygen(path, "--force").returncode == 0
    assert len(keys_in(path)) == 1 and keys_in(path) != [second]
    assert os.listdir(tmp_path) == ["authkey"]
    assert keygen(path, "--rotate", "--retire").returncode == 2
    assert keygen(tmp_path / "no" / "authkey").returncode == 1
