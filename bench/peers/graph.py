"""graph.py - queries a second at equal recall: Kith's graph beside those of other libraries.

All contenders get the same rows and queries, one thread and one pinned core. A round measures
every point of every contender once, and they alternate within a round, so that a slow minute of
the machine falls on all. Printed are medians over the rounds, at equal recall, interpolated on log
QPS between the points that no other point of the same contender beats. The result file holds
every point, so that `kith report` draws all on one chart. Then Kith alone on more and more rows of
one kind (graph_grow.py).
"""
import argparse
import datetime
import json
import math
import os
import statistics
import subprocess
import sys

import graph_contenders
import graph_data
import graph_grow

SETS = ("fashion-mnist-784-euclidean", "wordnet-256-angular")
PEERS = "hnswlib,usearch-i8,usearch-bf16,usearch-f32,faiss-f32,faiss-sq8"
EFS = (10, 14, 20, 28, 40, 57, 80, 113, 160, 226, 320, 453, 640, 905, 1280)
ENOUGH = 0.993
KITHS = ("kith", "kith sketched")
SIZES = (10000, 100000, 1000000)
GOALS = (0.90, 0.95, 0.97, 0.99)

# How many times faster Kith is to be at these recalls: asked as the peer is, or all in one call.
GATES = {
    SETS[0]: [("hnswlib", False, (0.97, 0.99), 4.0), ("hnswlib", True, (0.97, 0.99), 5.0),
              ("usearch", True, (0.97, 0.99), 2.5), ("faiss", True, (0.97, 0.99), 2.5)],
    SETS[1]: [("hnswlib", False, (0.90, 0.95), 2.5)],
}
BUILD_SHARE, INDEX_BYTES = 0.25, 200


class Point:
    def __init__(self, ef, recalls, distances):
        self.ef, self.recalls, self.distances = ef, recalls, distances
        self.seconds, self.latency = [], []


def survey(contender, data):
    """Which widths are worth timing: until recall is enough, or no longer grows."""
    points = []
    for ef in EFS:
        rows, _, _, distances = contender.search(ef)
        points.append(Point(ef, graph_data.recall(data, rows), distances))
        recalls = [point.recalls[0] for point in points]
        if recalls[-1] >= ENOUGH or len(points) > 2 and recalls[-1] < recalls[-3] + 0.001:
            break
    return points


def measure(curves, rounds):
    for turn in range(rounds):
        for i in range(max(len(points) for points in curves.values())):
            for contender, points in curves.items():
                if i < len(points):
                    _, seconds, latency, _ = contender.search(points[i].ef)
                    points[i].seconds.append(seconds)
                    points[i].latency.extend(() if latency is None else latency)
        print(f"round {turn + 1} of {rounds}", file=sys.stderr)


def qps_at(points, queries, goal):
    """0 where the curve ends below the goal; its first point where it begins above."""
    before = None
    steps = sorted((p.recalls[0], queries / statistics.median(p.seconds)) for p in points)
    for recall, qps in steps:
        if any(r >= recall and q >= qps and (r, q) != (recall, qps) for r, q in steps):
            continue
        if recall >= goal:
            if not before:
                return qps
            share = (goal - before[0]) / (recall - before[0])
            return math.exp(math.log(before[1]) * (1 - share) + math.log(qps) * share)
        before = recall, qps
    return 0


def title(contender):
    how = ", all in a call" if contender.batch > 1 else ""
    return f"{contender.device} {contender.codes}{how}"


def print_set(data, curves):
    queries = len(data.queries)
    ours = {(c.device, c.batch > 1): points for c, points in curves.items()}
    fastest = {}  # of each device, the best of its types at a goal
    print(f"\n{data.name}: {len(data.base)} x {data.base.shape[1]} {data.type}, {data.metric}, "
          f"{queries} queries, k={data.k}, one thread, M={graph_contenders.M}, peers' "
          f"ef_construction={graph_contenders.EF_CONSTRUCTION}")
    print(f"{'':32} build s  bytes/row " + "".join(f"{f'QPS at {g:.2f}':>13}" for g in GOALS)
          + "   Kith is faster by (same way of asking)")
    for contender, points in curves.items():
        qps = [qps_at(points, queries, g) for g in GOALS]
        for goal, here in zip(GOALS, qps):
            key = contender.device, goal
            fastest[key] = max(fastest.get(key, 0), here)
        line = f"{title(contender):32} {contender.seconds:7.1f} "
        line += f"{contender.bytes / len(data.base):10.0f} "
        line += "".join(f"{here:13.0f}" if here else f"{'-':>13}" for here in qps)
        if contender.device not in KITHS:
            mine = [qps_at(ours["kith", contender.batch > 1], queries, g) for g in GOALS]
            line += "  " + " ".join(f"{m / h:5.2f}x" if m and h else "     -"
                                    for m, h in zip(mine, qps))
        print(line)
    print_gates(data, curves, ours, fastest)


def print_gates(data, curves, ours, fastest):
    def say(good, text):
        print(f"  {'met   ' if good else 'MISSED'} {text}")

    by_device = {c.device: c for c in curves}
    for peer, together, goals, times in GATES.get(data.name, []):
        for goal in goals:
            theirs = fastest.get((peer, goal), 0)
            for name in KITHS if theirs else ():
                ratio = qps_at(ours[name, together], len(data.queries), goal) / theirs
                say(ratio >= times, f"{ratio:5.2f}x the best of {peer} at recall {goal}, {name} "
                    f"{'with all queries in a call' if together else 'one query at a time'}: "
                    f"{times}x")
    kith = by_device["kith"]
    if "hnswlib" in by_device:
        share = kith.seconds / by_device["hnswlib"].seconds
        say(share <= BUILD_SHARE, f"build in {share:.2f} of hnswlib's time: {BUILD_SHARE}")
    if data.type == "u8":
        for name in KITHS:
            each = by_device[name].index_bytes / len(data.base)
            say(each <= INDEX_BYTES, f"{each:.0f} bytes a vector beyond its row, {name}: "
                f"{INDEX_BYTES}")


def percentiles(latency):
    latency = sorted(latency)
    return {name: latency[max(math.ceil(share * len(latency)), 1) - 1]
            for name, share in (("p50", .5), ("p95", .95), ("p99", .99), ("p999", .999))}


def run_json(data, contender, point):
    queries = len(data.queries)
    run = {"device": contender.device, "isa": contender.isa, "index": "hnsw",
           "codes": contender.codes, "threads": 1, "batch": contender.batch, "k": data.k,
           "params": {"ef": point.ef, "queries": queries, "passes": len(point.seconds),
                      "recall_queries": queries},
           "recall": point.recalls[0], "recall_annb": point.recalls[1],
           "qps": queries / statistics.median(point.seconds), "times": point.seconds,
           "bytes_per_vector": contender.bytes / len(data.base)}
    if point.distances is not None:
        run["distances_per_query"] = point.distances / queries
    if point.latency:
        run["latency_us"] = percentiles(point.latency)
    return run


def build_json(data, contender):
    params = {"m": graph_contenders.M, "ef_construction": contender.ef_construction}
    build = {"device": contender.device, "index": "hnsw", "codes": contender.codes,
             "params": params, "threads": 1, "seconds": contender.seconds,
             "nodes": len(data.base), "bytes": contender.index_bytes or contender.bytes,
             "bytes_per_vector": contender.bytes / len(data.base)}
    if contender.digest:
        build["digest"] = contender.digest
    return build


def device_list(curves):
    """Who ran: what the report lists as devices."""
    names = {c.device: c.library or "Kith" for c in curves}
    return [{"id": device, "name": name, "platform": "one thread of the host",
             "driver": "", "usable": True, "reason": ""} for device, name in names.items()]


def write_result(tool, data, curves, path):
    machine = json.loads(subprocess.run([tool, "devices", "--json"], check=True,
                                        stdout=subprocess.PIPE, text=True).stdout)
    now = datetime.datetime.now(datetime.timezone.utc)
    result = {"schema": "kith-result/1", "created": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
              "command": " ".join(["bench/peers/graph.sh"] + sys.argv[1:]), "interrupted": False,
              "hardware": machine["hardware"], "devices": device_list(curves),
              "dataset": {"name": data.name, "rows": len(data.base),
                          "queries": len(data.queries), "dim": data.base.shape[1],
                          "type": data.type, "metric": data.metric, "sha256": data.sha256},
              "builds": [build_json(data, c) for c in curves if c.device not in KITHS or
                         c.batch == 1],
              "runs": [run_json(data, c, p) for c, points in curves.items() for p in points],
              "agreement": []}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    page = os.path.splitext(path)[0] + ".html"
    subprocess.run([tool, "report", path, "--out", page], check=True, stdout=subprocess.DEVNULL)
    print(f"  all points: {path}, drawn: {page}")


def contenders(arguments, data):
    for sketch in (False, True):
        yield graph_contenders.Kith(arguments.kith, data, arguments.walk, arguments.slack,
                                    sketch=sketch)
    for name in arguments.peers.split(",") if arguments.peers else ():
        library, _, kind = name.partition("-")
        try:
            if library == "hnswlib":
                yield graph_contenders.Hnswlib(arguments.hnswlib, data)
            elif library == "usearch":
                yield graph_contenders.Usearch(data, kind)
            elif library == "faiss":
                yield graph_contenders.Faiss(data, kind)
            else:
                sys.exit(f"graph.py: no peer is named {name}; known: {PEERS}")
        except (ImportError, OSError) as error:
            print(f"{name} is not to be had here: {error}", file=sys.stderr)


def compare(arguments, data):
    curves = {}
    for contender in contenders(arguments, data):
        print(f"building: {title(contender)}", file=sys.stderr)
        contender.build()
        curves[contender] = survey(contender, data)
        if contender.device in KITHS:
            together = contender.together()
            curves[together] = survey(together, data)
    measure(curves, arguments.rounds)
    print_set(data, curves)
    write_result(arguments.tool, data, curves, f"kith-peers-{data.name}.json")
    for contender in curves:
        if contender.device in KITHS and contender.batch == 1:
            contender.close()


def main():
    parser = argparse.ArgumentParser(prog="graph.sh", description=__doc__.split("\n", 1)[0])
    for name in ("tool", "kith", "hnswlib", "data"):
        parser.add_argument("--" + name, required=True, help=argparse.SUPPRESS)
    parser.add_argument("sets", nargs="*", help="default: " + " ".join(SETS))
    parser.add_argument("--peers", default=PEERS, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=2000, help="at most, of each set")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--walk", choices=graph_contenders.WALKS, default="auto")
    parser.add_argument("--slack", type=float, default=0, help="Kith's early stop")
    parser.add_argument("--rows", type=int, help="a sample of each set, at even steps")
    parser.add_argument("--grow", help="in place of peers, Kith on samples of so many rows of one "
                        "set, or of synthetic rows where none is named; the default does both, "
                        "with " + ",".join(map(str, SIZES)))
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if arguments.grow:
        graph_grow.grow(arguments, [int(n) for n in arguments.grow.split(",")])
        return
    for name in arguments.sets or SETS:
        data = graph_data.named(arguments.tool, arguments.data, name, arguments.k)
        data = data.first(arguments.queries)
        compare(arguments, data.sample(arguments.rows) if arguments.rows else data)
    if not arguments.sets and not arguments.rows:
        graph_grow.grow(arguments, SIZES)


if __name__ == "__main__":
    main()
