#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
plot.py CSV SVG - draws what `sim --csv` has written: three charts over time, one below the other.
"""
import csv
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, GAP = 900, 190, 70, 190, 40, 60
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")
CHARTS = (  # title, columns and their names, the highest value shown
    ("max/mean lent, as shares of what each donor could lend", (("max_by_mean", "max/mean"), ("promise", "promised at rest: 1.15")), 3),
    ("memory of all nodes, GiB", (("could_lend_gib", "could be lent"), ("leased_gib", "leased"), ("wanted_gib", "wanted")), None),
    ("leases a second", (("made_rate", "made"), ("moved_rate", "taken back (moved)"), ("lost_rate", "lost with a donor")), None),
)
PROMISE = 1.15
RATE_SECONDS = 20  # over which leases a second are averaged


def read(path):
    """The columns of the file by name, as lists of numbers, and those that follow from them."""
    with open(path, newline="", encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    columns = {name: [float(row[name]) for row in rows] for name in rows[0]}
    columns["promise"] = [PROMISE] * len(rows)
    for name in ("made", "moved", "lost"):
        total = columns[name]
        columns[f"{name}_rate"] = [(value - total[max(0, i - RATE_SECONDS)]) / RATE_SECONDS
                                   for i, value in enumerate(total)]
    return columns


def round_up(value):
    """The next of 1, 2, 5, 10, 20, ... that is not below."""
    step = 1.0
    while step * 10 < value:
        step *= 10
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor >= value)


def chart(columns, number, title, series, limit):
    """One chart as lines of SVG."""
    top = TOP + number * (HEIGHT + GAP)
    seconds = columns["second"]
    highest = limit or round_up(max(max(columns[name]) for name, _ in series) or 1)

    def x(second):
        return LEFT + WIDTH * second / seconds[-1]

    def y(value):
        return top + HEIGHT * (1 - min(value, highest) / highest)

    out = [f'<text x="{LEFT}" y="{top - 10}" font-weight="bold">{escape(title)}</text>',
           f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#888"/>']
    for part in range(5):
        value, second = highest * part / 4, seconds[-1] * part / 4
        out.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
        out.append(f'<text x="{x(second):.1f}" y="{top + HEIGHT + 16}" text-anchor="middle">{second:g} s</text>')
    for (name, label), colour, line in zip(series, COLOURS, range(len(series))):
        points = " ".join(f"{x(second):.1f},{y(value):.1f}" for second, value in zip(seconds, columns[name]))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        out.append(f'<text x="{LEFT + WIDTH + 10}" y="{top + 14 + 18 * line}" fill="{colour}">{escape(label)}</text>')
    return out


def main():
    if len(sys.argv) != 3:
        print("plot.py: expected CSV SVG", file=sys.stderr)
        return 2
    columns = read(sys.argv[1])
    width, height = LEFT + WIDTH + RIGHT, TOP + len(CHARTS) * (HEIGHT + GAP)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>']
    for number, (title, series, limit) in enumerate(CHARTS):
        out += chart(columns, number, title, series, limit)
    with open(sys.argv[2], "w", encoding="ascii") as file:
        file.write("\n".join(out + ["</svg>", ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
