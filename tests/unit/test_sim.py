# SPDX-License-Identifier: GPL-2.0-or-later
"""The simulator: what is lent is balanced, a seed repeats a run, wrong options are refused. `make sim` has the long runs."""

import csv
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

import pytest

BUILD = pathlib.Path(os.environ.get("RAMSTER_BUILD", pathlib.Path(__file__).parents[2] / "build"))
PLOT = pathlib.Path(__file__).parents[1] / "sim/plot.py"


def sim(*options):
    command = [BUILD / "tests/sim/sim", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def rows(path):
    with open(path, newline="", encoding="ascii") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def test_100_nodes(tmp_path):
    table = tmp_path / "100.csv"
    result = sim("--nodes", 100, "--csv", table)
    assert result.returncode == 0 and result.stdout.rstrip().endswith("PASS"), result.stdout + result.stderr
    seconds = rows(table)
    assert [row["second"] for row in seconds] == list(range(1, 1201))
    steady = seconds[900:]
    assert max(row["max_by_mean"] for row in steady) <= 1.15
    assert all(row["mean_lent"] > 0.2 for row in steady)  # or else balance would mean nothing
    # Owners get what they want within a second or so, as long as there is any.
    wants = sum(row["owners"] for row in seconds)
    assert sum(row["unserved"] for row in seconds) < 0.01 * wants
    assert seconds[-1]["moved"] > 0 and seconds[-1]["lost"] > 0  # donors took back, and some died
    subprocess.run([sys.executable, PLOT, table, tmp_path / "100.svg"], check=True, timeout=60)
    lines = xml.etree.ElementTree.parse(tmp_path / "100.svg").iter("{http://www.w3.org/2000/svg}polyline")
    assert len(list(lines)) == 8


def test_a_seed_repeats_a_run():
    def results(seed):
        return sim("--nodes", 30, "--seconds", 300, "--seed", seed, "--no-header").stdout.split("|")[:-1]

    assert results(7) == results(7) != results(8)


@pytest.mark.parametrize("options", [["--nodes", 1], ["--nodes", "many"], ["--seconds", 5], ["--seed", -1], ["x"], ["--x"]])
def test_wrong_options(options):
    result = sim(*options)
    assert result.returncode == 2 and result.stdout == "" and len(result.stderr.splitlines()) == 1


def test_csv_cannot_be_written():
    assert sim("--csv", "/nowhere/x").returncode == 2
