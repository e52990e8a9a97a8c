# SPDX-License-Identifier: GPL-2.0-or-later
"""What a pass of the demo has measured, the table of both, and the verdict."""
import dataclasses

LATENCY = "/sys/kernel/debug/ramster/latency"


@dataclasses.dataclass
class Result:
    name: str  # of the front end
    counters: dict  # of the module, at the end
    fallback: int  # pages that went to the local disk
    latencies: list  # (upper end of a bucket in us, loads in it), ascending
    jobs: list
    peak: object  # the view's Sample with the most remote pages

    @property
    def wrong(self):
        return sum(job.wrong for job in self.jobs)


def read_latencies(node):
    lines = (line.split() for line in node.read(LATENCY).decode().splitlines())
    return [(int(line[0]), int(line[1])) for line in lines if line[0].isdigit()]


def percentile(latencies, percent):
    """Latencies of several readings may be in one list."""
    total = sum(count for _, count in latencies)
    seen = 0
    for end, count in sorted(latencies):
        seen += count
        if seen and seen * 100 >= total * percent:
            return end
    return 0


def ratio(a, b):
    return a / b if b else 0


def rows(result):
    counters, seconds = result.counters, {job.name: job.seconds for job in result.jobs}
    for job in result.jobs:
        yield f"{job.title}, s", f"{sum(job.seconds.values()):.0f}"
        for phase, time in seconds[job.name].items():
            yield f"  {phase}", f"{time:.1f}"
        yield "  wrong", str(job.wrong)
    loads = sum(counters[f"loads_{kind}"] for kind in ("local", "same", "remote", "prefetched", "backing"))
    yield "pages out", str(counters["stores"])
    yield "  same-filled", str(counters["stores_same"])
    yield "  remotified", str(counters["remotify_pages"])
    yield "  to the local disk", str(result.fallback)
    yield "pages in", str(loads)
    yield "  from a peer, waited for", str(counters["loads_remote"])
    yield "  from a peer, fetched ahead", str(counters["loads_prefetched"])
    yield "load, median, us", str(percentile(result.latencies, 50))
    yield "load, 99 %, us", str(percentile(result.latencies, 99))
    yield "wire, bytes a remotified page", f"{ratio(counters['tx_bytes'], counters['remotify_items']):.0f}"
    yield "pages a WRITE message", f"{ratio(counters['remotify_items'], counters['remotify_writes']):.1f}"
    if result.peak:
        yield "at most remote, pages", str(result.peak.counters["pages_remote"])
        for peer, pages in result.peak.peers.items():
            yield f"  of these on {peer}", str(pages)
        yield "  bookkeeping, bytes a page", f"{result.peak.counters['bookkeeping_per_page_milli'] / 1000:.1f}"


def print_table(results):
    columns = [list(rows(result)) for result in results]
    print(f"\n{'':36}" + "".join(f"{result.name:>14}" for result in results))
    for lines in zip(*columns):
        print(f"{lines[0][0]:36}" + "".join(f"{value:>14}" for _, value in lines))
    print()


def why_failed(results):
    """The first thing that was not as it has to be, or None."""
    for result in results:
        if result.wrong:
            return f"{result.wrong} pages or values were wrong ({result.name})"
        if not result.counters["remotify_pages"]:
            return f"no page went to a peer ({result.name})"
    return None


def verdict(results):
    def total(name):
        return sum(result.counters[name] for result in results)

    latencies = [bucket for result in results for bucket in result.latencies]
    return (f"demo: PASS pages_out={total('stores')} remote={total('remotify_pages')} "
            f"fallback={sum(result.fallback for result in results)} "
            f"wire_bytes_per_page={ratio(total('tx_bytes'), total('remotify_items')):.0f} "
            f"load_p50_us={percentile(latencies, 50)} load_p99_us={percentile(latencies, 99)} "
            f"wrong={sum(result.wrong for result in results)}")
