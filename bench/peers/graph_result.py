"""graph_result.py - writes a kith-result file in which every contender is a device.

`kith report` then draws all of them on one chart.
"""
import datetime
import json
import math
import os
import subprocess
import sys

import graph_contenders


def percentiles(latency):
    latency = sorted(latency)
    return {name: latency[max(math.ceil(share * len(latency)), 1) - 1]
            for name, share in (("p50", .5), ("p95", .95), ("p99", .99), ("p999", .999))}


def run_json(contender, point):
    data = contender.data
    run = {"device": contender.device, "isa": contender.isa, "index": "hnsw",
           "codes": contender.codes, "threads": 1, "batch": contender.batch, "k": data.k,
           "params": {"ef": point.ef, "queries": point.queries, "passes": len(point.seconds),
                      "recall_queries": point.queries, "rows": len(data.base)},
           "recall": point.recalls[0], "recall_annb": point.recalls[1],
           "qps": point.qps(), "times": point.seconds,
           "bytes_per_vector": contender.bytes / len(data.base)}
    if point.distances is not None:
        run["distances_per_query"] = point.distances_each()
    if point.latency:
        run["latency_us"] = percentiles(point.latency)
    return run


def build_json(contender, threads=1, seconds=None):
    rows = len(contender.data.base)
    params = {"m": graph_contenders.M, "ef_construction": contender.ef_construction}
    build = {"device": contender.device, "index": "hnsw", "codes": contender.codes,
             "params": params, "threads": threads, "seconds": seconds or contender.seconds,
             "nodes": rows, "bytes": contender.index_bytes or contender.bytes,
             "bytes_per_vector": contender.bytes / rows}
    if contender.digest:
        build["digest"] = contender.digest
    return build


def device_list(curves):
    """Who ran: what the report lists as devices."""
    names = {c.device: c.library or "Kith" for c in curves}
    return [{"id": device, "name": name, "platform": "one thread of the host",
             "driver": "", "usable": True, "reason": ""} for device, name in names.items()]


def write(tool, data, curves, more_builds=(), name=None):
    """kith-peers-NAME.json and .html where the caller stands."""
    machine = json.loads(subprocess.run([tool, "devices", "--json"], check=True,
                                        stdout=subprocess.PIPE, text=True).stdout)
    now = datetime.datetime.now(datetime.timezone.utc)
    builds, seen = [], set()
    for contender in curves:  # asked one by one or in a call, it is one build
        who = contender.device, contender.codes
        if who not in seen:
            builds.append(build_json(contender))
        seen.add(who)
    result = {"schema": "kith-result/1", "created": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
              "command": " ".join(["bench/peers/graph.sh"] + sys.argv[1:]), "interrupted": False,
              "hardware": machine["hardware"], "devices": device_list(curves),
              "dataset": {"name": data.name, "rows": len(data.base),
                          "queries": len(data.queries), "dim": data.base.shape[1],
                          "type": data.type, "metric": data.metric, "sha256": data.sha256},
              "builds": builds + list(more_builds),
              "runs": [run_json(c, p) for c, points in curves.items() for p in points],
              "agreement": []}
    path = f"kith-peers-{name or data.name}.json"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    page = os.path.splitext(path)[0] + ".html"
    subprocess.run([tool, "report", path, "--out", page], check=True, stdout=subprocess.DEVNULL)
    print(f"  all points: {path}, drawn: {page}", flush=True)
