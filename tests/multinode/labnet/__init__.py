# SPDX-License-Identifier: GPL-2.0-or-later
"""Groups of QEMU nodes to test on: see docs/lab.md."""
from .client import Lab
from .node import Node
from .process import Failed, Process
from .request import LabError
from .spec import Error as Mistake

__all__ = ["Failed", "Lab", "LabError", "Mistake", "Node", "Process"]
