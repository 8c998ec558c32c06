"""graph_grow.py - how Kith's graph grows with its rows, beside the log n that HNSW promises.

One set, and samples of it at even steps: nothing but the number of rows changes, and all are asked
the same queries.
"""
import math
import statistics

import graph_contenders
import graph_data

EFS = (10, 14, 20, 28, 40, 57, 80, 113, 160, 226, 320, 453, 640)
GOAL = 0.99


def between(points, goal, what):
    """The geometric mean of `what`, weighed by recall, around the goal; None off the curve."""
    for a, b in zip(points, points[1:]):
        if a["recall"] <= goal <= b["recall"] and a["recall"] < b["recall"]:
            share = (goal - a["recall"]) / (b["recall"] - a["recall"])
            return math.exp(math.log(a[what]) * (1 - share) + math.log(b[what]) * share)
    return None


def curve(contender, data, rounds):
    points = []
    for ef in EFS:
        passes = [contender.search(ef) for _ in range(rounds)]
        seconds = statistics.median(p[1] for p in passes)
        points.append({"recall": graph_data.recall(data, passes[0][0])[0],
                       "qps": len(data.queries) / seconds,
                       "distances": passes[0][3] / len(data.queries)})
        if points[-1]["recall"] > 0.995:
            break
    return points


def source(arguments, most):
    """The largest set: a named one, or synthetic rows."""
    if arguments.sets:
        data = graph_data.named(arguments.tool, arguments.data, arguments.sets[0], arguments.k)
        return data.first(arguments.queries).sample(most)
    return graph_data.manifold(most, arguments.k, min(arguments.queries, 1000))


def report(contender, data, points, first):
    """One line; returns what the first size had at the goal, for the ratios of the others."""
    rows = len(data.base)
    qps, distances = (between(points, GOAL, what) for what in ("qps", "distances"))
    line = f"{rows:9} rows: build {contender.seconds:7.1f} s, " \
           f"{1e6 * contender.seconds / rows:6.1f} us a row, " \
           f"{contender.index_bytes / rows:5.0f} bytes a row beside itself"
    if not qps:
        print(line + f", recall from {points[0]['recall']:.3f} to {points[-1]['recall']:.3f}",
              flush=True)
        return first
    first = first or (qps, distances, contender.seconds / rows, rows)
    print(line + f", {qps:7.0f} queries/s, {distances:6.0f} distances a query [log n "
          f"{math.log(rows) / math.log(first[3]):.2f}: distances {distances / first[1]:.2f}, time "
          f"{first[0] / qps:.2f}, build a row {contender.seconds / rows / first[2]:.2f}]",
          flush=True)
    return first


def grow(arguments, sizes):
    whole = source(arguments, max(sizes))
    print(f"{whole.name}: samples of {len(whole.base)} x {whole.base.shape[1]} {whole.type}, "
          f"{whole.metric}, {len(whole.queries)} queries, k={arguments.k}, at recall {GOAL}, one "
          "thread; in brackets times the first")
    first = None
    for rows in sorted(sizes):
        data = whole.sample(rows)
        contender = graph_contenders.Kith(arguments.kith, data, arguments.walk, arguments.slack)
        contender.build()
        first = report(contender, data, curve(contender, data, arguments.rounds), first)
        contender.close()
