"""graph_grow.py - how Kith's graph grows with its rows, beside the log n that HNSW promises.

One set, and samples of it at even steps: nothing but the number of rows changes, all are asked the
same queries, and the sizes take turns. A search of a hierarchy is to cost a + b log n distances;
that line is fitted and printed beside a power of n, with how far each is off.
"""
import math
import sys

import graph_contenders
import graph_data
import graph_result
from graph_curves import Point, begins_above, measure, survey, value_at

GOAL = 0.99


def source(arguments, most):
    """The largest set: a named one, or synthetic rows."""
    if arguments.sets:
        data = graph_data.named(arguments.tool, arguments.data, arguments.sets[0], arguments.k)
        return data.first(arguments.queries).sample(most)
    return graph_data.manifold(most, arguments.k, min(arguments.queries, 1000))


def short(rows):
    for unit, name in ((10**6, "M"), (1000, "k")):
        if rows % unit == 0:
            return f"{rows // unit}{name}"
    return str(rows)


def report(contender, points, first):
    """One line; returns what the first size had at the goal, for the ratios of the others."""
    rows = len(contender.data.base)
    row_us, whole, beside = (x / rows for x in (1e6 * contender.seconds, contender.bytes,
                                                contender.index_bytes))
    print(f"{rows:9} rows: build {contender.seconds:7.1f} s, {row_us:6.1f} us a row; {whole:5.0f} "
          f"bytes a row, {beside:.0f} of them beside the row", end="")
    qps, distances = (value_at(points, GOAL, of) for of in (Point.qps, Point.distances_each))
    if not qps:
        print(f"; recall from {points[0].recalls[0]:.3f} to {points[-1].recalls[0]:.3f}")
        return first
    first = first or (qps, distances, contender.seconds / rows, rows)
    above = f" at recall {points[0].recalls[0]:.3f}" if begins_above(points, GOAL) else ""
    print(f"; {qps:7.0f} queries/s, {distances:6.0f} distances a query{above} [log n "
          f"{math.log(rows) / math.log(first[3]):.2f}: distances {distances / first[1]:.2f}, time "
          f"{first[0] / qps:.2f}, build a row {contender.seconds / rows / first[2]:.2f}]")
    return first


def line(xs, ys):
    """Least squares: a and b of a + b x."""
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    b = sum((u - x) * (v - y) for u, v in zip(xs, ys)) / sum((u - x) ** 2 for u in xs)
    return y - b * x, b


def off(ys, fitted):
    return 100 * max(abs(f / y - 1) for y, f in zip(ys, fitted))


def print_fit(what, sizes, ys):
    """a + b log2 n: b is what twice the rows add. Beside it c n^p."""
    if len(ys) < 3:
        return  # two points lie on any line
    logs = [math.log2(n) for n in sizes]
    a, b = line(logs, ys)
    c, p = line(logs, [math.log2(y) for y in ys])
    print(f"  {what} = {a:.1f} {'+' if b >= 0 else '-'} {abs(b):.1f} log2 n, off by "
          f"{off(ys, [a + b * x for x in logs]):.1f} % at most; as a power, n^{p:.2f}, off by "
          f"{off(ys, [2 ** (c + p * x) for x in logs]):.1f} %")


def grow(arguments, sizes):
    whole = source(arguments, max(sizes))
    curves = {}
    for rows in sorted(set(min(n, len(whole.base)) for n in sizes)):
        contender = graph_contenders.Kith(arguments.kith, whole.sample(rows), arguments.walk,
                                          arguments.slack)
        contender.device = f"{short(rows)} rows"
        contender.library = f"Kith on {rows:,} of the rows"
        print(f"building: {rows} rows", file=sys.stderr)
        contender.build()
        curves[contender] = survey(contender)
    measure(curves, arguments.rounds, arguments.minutes)
    made = "" if arguments.sets else ", synthetic"
    print(f"\n{whole.name}{made}: samples of {len(whole.base)} x "
          f"{whole.base.shape[1]} {whole.type}, {whole.metric}, {len(whole.queries)} queries, "
          f"k={arguments.k}, at recall {GOAL}, one thread; in brackets times the first")
    first = None
    for contender, points in curves.items():
        first = report(contender, points, first)
    reached = {len(c.data.base): value_at(points, GOAL, Point.distances_each)
               for c, points in curves.items() if value_at(points, GOAL)}
    print_fit("distances a query", list(reached), list(reached.values()))
    print_fit("us of build a row", [len(c.data.base) for c in curves],
              [1e6 * c.seconds / len(c.data.base) for c in curves])
    graph_result.write(arguments.tool, whole, curves, name=f"grow-{whole.name}")
    for contender in curves:
        contender.close()
