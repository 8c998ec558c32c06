"""graph_grow.py - how Kith's graph grows with its rows, beside the log n that HNSW promises.

The rows are synthetic (graph_data.clustered) and of the same kind at every size, so that nothing
but their number changes.
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


def grow(arguments, sizes):
    print(f"synthetic clusters, 128 dimensions, f32, k={arguments.k}, at recall {GOAL}, one "
          "thread; in brackets: times the first, beside log n")
    first = None
    for rows in sizes:
        data = graph_data.clustered(rows, arguments.k)
        contender = graph_contenders.Kith(arguments.kith, data, arguments.walk, arguments.slack)
        contender.build()
        points = curve(contender, data, arguments.rounds)
        qps, distances = (between(points, GOAL, what) for what in ("qps", "distances"))
        first = first or (qps and (qps, distances, rows))
        line = f"{rows:9} rows: build {contender.seconds:7.1f} s, " \
               f"{1e6 * contender.seconds / rows:6.1f} us a row, " \
               f"{contender.bytes / rows:5.0f} bytes a row with itself"
        if qps:
            line += f", {qps:7.0f} queries/s, {distances:6.0f} distances a query " \
                    f"[{distances / first[1]:.2f}, log n " \
                    f"{math.log(rows) / math.log(first[2]):.2f}; time {first[0] / qps:.2f}]"
        else:
            line += f", recall from {points[0]['recall']:.3f} to {points[-1]['recall']:.3f}"
        print(line, flush=True)
        contender.close()
