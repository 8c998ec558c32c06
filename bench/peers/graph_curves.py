"""graph_curves.py - the points of a contender: which are worth timing, timing them, reading them.

Nothing here knows who a contender is. A round measures every point of every contender once, and
they alternate within a round, so that a slow minute of the machine falls on all.
"""
import math
import statistics
import sys
import time

import graph_data

EFS = (10, 14, 20, 28, 40, 57, 80, 113, 160, 226, 320, 453, 640, 905, 1280)
ENOUGH = 0.99  # a curve ends at its first point there


class Point:
    """One width of search: recall strict and as ann-benchmarks has it, seconds of each pass."""

    def __init__(self, ef, queries, recalls, distances):
        self.ef, self.queries, self.recalls, self.distances = ef, queries, recalls, distances
        self.seconds, self.latency = [], []

    def qps(self):
        return self.queries / statistics.median(self.seconds)

    def distances_each(self):
        return self.distances / self.queries


def survey(contender):
    """Which widths are worth timing: until recall is enough, or no longer grows."""
    points, data = [], contender.data
    for ef in EFS:
        rows, _, _, distances = contender.search(ef)
        recalls = graph_data.recall(data, rows)
        points.append(Point(ef, len(data.queries), recalls, distances))
        reached = [point.recalls[0] for point in points]
        if reached[-1] >= ENOUGH or len(points) > 2 and reached[-1] < reached[-3] + 0.004:
            break
    return points


def measure(curves, rounds, minutes):
    """No round begins after so many minutes, but the first."""
    end = time.monotonic() + 60 * minutes
    for turn in range(rounds):
        for i in range(max(len(points) for points in curves.values())):
            for contender, points in curves.items():
                if i < len(points):
                    _, seconds, latency, _ = contender.search(points[i].ef)
                    points[i].seconds.append(seconds)
                    points[i].latency.extend(() if latency is None else latency)
        print(f"round {turn + 1} of {rounds}", file=sys.stderr)
        if time.monotonic() > end:
            break


def front(points):
    """Those that no other of the curve beats in both recall and speed, by recall."""
    steps = sorted(((p.recalls[0], p.qps(), p) for p in points), key=lambda step: step[:2])
    return [(recall, p) for recall, qps, p in steps
            if not any(r >= recall and q >= qps and (r, q) != (recall, qps) for r, q, _ in steps)]


def value_at(points, goal, value=Point.qps):
    """What the curve has at a recall, straight in the logarithm between two points. 0 where it ends
    below the goal; what its first point has where it begins above, which begins_above() tells."""
    before = None
    for recall, point in front(points):
        if recall >= goal:
            if not before:
                return value(point)
            share = (goal - before[0]) / (recall - before[0])
            return math.exp(math.log(value(before[1])) * (1 - share)
                            + math.log(value(point)) * share)
        before = recall, point
    return 0


def begins_above(points, goal):
    return front(points)[0][0] > goal
