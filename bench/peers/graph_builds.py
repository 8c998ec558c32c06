"""graph_builds.py - Kith's builds with one thread and with two, between the builds of the others.

A peer's build may take a minute and is done once; Kith's are short and are repeated before and
after, so that the ratios do not rest on one quiet or busy minute. Everything else runs on one
pinned core; a build with two threads gets a second one, which is not the first's other half.
"""
import os
import statistics

import graph_contenders

CORES = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def siblings(cpu):
    """The processors that share a core with this one, itself included."""
    out = set()
    try:
        with open(CORES.format(cpu)) as file:
            for part in file.read().strip().split(","):
                first, _, last = part.partition("-")
                out.update(range(int(first), int(last or first) + 1))
    except OSError:
        pass
    return out | {cpu}


def pin():
    """Pins this thread, and those that it starts; returns one core and two, or one and none."""
    allowed = os.sched_getaffinity(0)
    one = {max(allowed)}
    others = allowed - siblings(*one)
    os.sched_setaffinity(0, one)
    return one, one | {max(others)} if others else None


class Turns:
    """Seconds of Kith's builds with one thread and with two, as often as asked."""

    def __init__(self, arguments, data, first):
        self.one, self.two, self.digests = [first.seconds], [], {first.digest}
        self.cores, self.left, self.why = arguments.cores, arguments.builds, "--builds 0"
        self.make = lambda threads: graph_contenders.Kith(
            arguments.kith, data, arguments.walk, arguments.slack, threads=threads)
        if not self.cores[1]:
            self.left, self.why = 0, "this process may use one core only"

    def build(self, threads):
        contender = self.make(threads)
        os.sched_setaffinity(0, self.cores[threads - 1])
        try:
            contender.build()
        finally:
            os.sched_setaffinity(0, self.cores[0])
        self.digests.add(contender.digest)
        contender.close()
        return contender.seconds

    def turn(self):
        if self.left:
            self.left -= 1
            self.two.append(self.build(2))
            self.one.append(self.build(1))

    def rest(self):
        while self.left:
            self.turn()

    def seconds(self):
        return statistics.median(self.one)

    def ratio(self):
        return self.seconds() / statistics.median(self.two)
