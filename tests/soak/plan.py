# SPDX-License-Identifier: GPL-2.0-or-later
"""Which failures a run has: a function of its seed, the number of failures and the membership alone."""
import dataclasses
import random

from faults import KINDS


@dataclasses.dataclass(frozen=True)
class Fault:
    number: int  # from 1 on
    kind: str
    node: str
    seconds: float  # from its beginning to its end
    amount: int  # 0 if the kind has none

    def __str__(self):
        text = KINDS[self.kind].text.format(node=self.node, amount=self.amount)
        return f"{self.kind}: {text} for {self.seconds:.1f} s"


def kinds_for(membership):
    return [kind for kind in KINDS.values() if kind.membership in ("", membership)]


def make(seed, count, membership="static", only=()):
    """only: the names of the kinds to choose from; all by default."""
    chance = random.Random(seed)
    kinds = [kind for kind in kinds_for(membership) if not only or kind.name in only]
    faults = []
    for number in range(1, count + 1):
        kind = chance.choice(kinds)
        node = chance.choice(kind.nodes)
        seconds = round(chance.uniform(*kind.gap), 1)
        amount = chance.randint(*kind.amount) if kind.amount else 0
        faults.append(Fault(number, kind.name, node, seconds, amount))
    return faults
