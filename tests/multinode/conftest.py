# SPDX-License-Identifier: GPL-2.0-or-later
"""
The fixture `lab`: nodes to test on.

    pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,512", disks=["n1=swap:256"])    # for a whole module, or
    @pytest.mark.lab(nodes=1)                                                         # for one test

The settings are those of labnet.Lab.up. Tests of one module with the same settings share a lab; after a failure the
next gets a new one. A test fails when a kernel complains on a console, unless @pytest.mark.allow_splats("REGEX", ...)
says so. After a failure the logs are kept, and the report says where.
"""
import json
import os
import shutil

import pytest

import labnet
import ramster
from labnet import paths


def pytest_configure(config):
    config.addinivalue_line("markers", "lab(**settings): the lab of this test or module, see labnet.Lab.up")
    config.addinivalue_line("markers", "cluster(**settings): RAMster on that lab, see ramster.Cluster")
    config.addinivalue_line("markers", "allow_splats(*regexes): console lines that do not fail this test")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, f"report_{report.when}", report)
    holder = item.session.config.stash.get(HOLDER, None)
    if report.failed and holder and "lab" in getattr(item, "fixturenames", ()):
        report.sections.append(("lab", holder.keep_logs(item)))


class Holder:
    """The one lab that is up, for the tests that it suits."""

    def __init__(self):
        self.key, self.lab, self.name = None, None, f"pytest{os.getpid()}"

    def get(self, module, settings):
        key = (module, json.dumps(settings, sort_keys=True))
        if key != self.key:
            self.drop()
            self.lab = labnet.Lab.up(name=self.name, **settings)
            self.key = key
        return self.lab

    def drop(self):
        self.key = None
        if self.lab:
            self.lab.down()
            self.lab = None
        shutil.rmtree(paths.logs(self.name), ignore_errors=True)

    def keep_logs(self, item):
        """Copies the logs to where no other test touches them; the text for the report."""
        kept = os.path.join(paths.base(), "logs", "failed", item.nodeid.replace("/", "_").replace("::", "."))
        if not os.path.isdir(paths.logs(self.name)):
            return f"see {kept}" if os.path.isdir(kept) else "there are no logs"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(paths.logs(self.name), kept)
        text = [f"consoles and logs are kept in {kept}"]
        for name in sorted(name for name in os.listdir(kept) if not name.endswith(".qemu")):
            with open(os.path.join(kept, name), errors="replace") as file:
                text += [f"--- the end of {name}:"] + [line.rstrip() for line in file][-15:]
        return "\n".join(text)


HOLDER = pytest.StashKey()


@pytest.fixture(scope="session")
def lab_holder(request):
    holder = Holder()
    request.config.stash[HOLDER] = holder
    yield holder
    holder.drop()


@pytest.fixture
def lab(request, lab_holder):
    marker = request.node.get_closest_marker("lab")
    lab = lab_holder.get(request.node.module.__name__, marker.kwargs if marker else {})
    marks = lab.console_marks()
    yield lab
    key, lab_holder.key = lab_holder.key, None
    allowed = [regex for marker in request.node.iter_markers("allow_splats") for regex in marker.args]
    splats = lab.splats(marks, allowed)
    passed = getattr(request.node, "report_call", None) and request.node.report_call.passed
    if passed and not splats and all(node["state"] == "up" for node in lab.status()["nodes"]):
        lab_holder.key = key
    if splats:
        pytest.fail("a kernel complained:\n" + "\n".join(splats[:20]), pytrace=False)


@pytest.fixture
def cluster(request, lab):
    """RAMster on all nodes of the lab, anew for each test; the settings of @pytest.mark.cluster are ramster.Cluster's."""
    marker = request.node.get_closest_marker("cluster")
    with ramster.Cluster(lab, **(marker.kwargs if marker else {})) as cluster:
        yield cluster
