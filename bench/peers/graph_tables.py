"""graph_tables.py - what graph.py prints of one set: speed at equal recall, and the gates.

A gate is what is aimed at; one that is missed says so. Where a peer has several types of codes,
each recall is held against the type that is fastest there.
"""
import graph_contenders
from graph_curves import begins_above, value_at

KITHS = ("kith", "kith sketched", "kith of 4 bits")
GOALS = (0.90, 0.95, 0.97, 0.99)
FASHION, WORDNET = "fashion-mnist-784-euclidean", "wordnet-256-angular"

# How many times faster Kith is to be at these recalls: asked one query at a time, or all in one
# call (True).
GATES = {
    FASHION: [("hnswlib", False, (0.97, 0.99), 4.0), ("hnswlib", True, (0.97, 0.99), 5.0),
              ("usearch", True, (0.97, 0.99), 2.5), ("faiss", True, (0.97, 0.99), 2.5),
              ("glass", True, (0.97, 0.99), 1.8)],
    WORDNET: [("hnswlib", False, (0.90, 0.95), 2.5)],
}
BUILD_SHARE, TWO_THREADS, INDEX_BYTES = 0.25, 1.8, 200


def title(contender):
    how = ", all in a call" if contender.batch > 1 else ""
    return f"{contender.device} {contender.codes}{how}"


def gate(good, text):
    print(f"  {'met   ' if good else 'MISSED'} {text}")


def print_set(data, curves, turns):
    ours = {(c.device, c.batch > 1): points for c, points in curves.items() if c.device in KITHS}
    rounds = len(next(iter(curves.values()))[0].seconds)
    print(f"\n{data.name}: {len(data.base)} x {data.base.shape[1]} {data.type}, {data.metric}, "
          f"{len(data.queries)} queries, k={data.k}, {rounds} rounds, one thread, "
          f"M={graph_contenders.M}, peers' ef_construction={graph_contenders.EF_CONSTRUCTION}")
    print(f"{'':32} build s  bytes/row " + "".join(f"{f'QPS at {g:.2f}':>13}" for g in GOALS)
          + "   Kith is faster by (same way of asking)")
    for contender, points in curves.items():
        print_contender(contender, points, data, ours)
    print("  (> : the curve begins above this recall; - : it ends below)")
    print_speed_gates(data, curves, ours)
    print_build_gates(data, curves, ours, turns)


def print_contender(contender, points, data, ours):
    line = f"{title(contender):32} {contender.seconds:7.1f} "
    line += f"{contender.bytes / len(data.base):10.0f} "
    for goal in GOALS:
        qps = value_at(points, goal)
        mark = ">" if begins_above(points, goal) else ""
        line += f"{f'{mark}{qps:.0f}' if qps else '-':>13}"
    if contender.device not in KITHS:
        line += " "
        for goal in GOALS:
            theirs, mine = value_at(points, goal), value_at(ours["kith", contender.batch > 1], goal)
            line += f" {mine / theirs:5.2f}x" if mine and theirs else "      -"
    print(line)


def kiths_of(curves):
    here = {contender.device for contender in curves}
    return [name for name in KITHS if name in here]


def best_of(peer, curves, goal):
    """Of a peer's types the fastest at a recall; 0 where none gets there, or it is not here."""
    return max((value_at(points, goal) for c, points in curves.items() if c.device == peer),
               default=0)


def print_speed_gates(data, curves, ours):
    for peer, together, goals, times in GATES.get(data.name, []):
        if peer not in {c.device for c in curves}:
            print(f"  -      {peer} is not here: {times}x at recall "
                  f"{' and '.join(map(str, goals))} was not measured")
            continue
        for goal in goals:
            theirs = best_of(peer, curves, goal)
            if not theirs:
                print(f"  -      {peer} does not reach recall {goal}")
            for name in kiths_of(curves) if theirs else ():
                ratio = value_at(ours[name, together], goal) / theirs
                gate(ratio >= times, f"{ratio:5.2f}x the best of {peer} at recall {goal}, {name} "
                     f"{'with all queries in a call' if together else 'one query at a time'}: "
                     f"{times}x")


def print_build_gates(data, curves, ours, turns):
    by_device = {c.device: c for c in curves}
    if "hnswlib" in by_device:
        hnswlib = by_device["hnswlib"]
        for name in kiths_of(curves):
            share = by_device[name].seconds / hnswlib.seconds
            ratios = [value_at(ours[name, False], goal) / theirs for goal in GOALS
                      if (theirs := value_at(curves[hnswlib], goal))]
            gate(share <= BUILD_SHARE and ratios and min(ratios) >= 1,
                 f"{name} is built in {share:.2f} of hnswlib's time: {BUILD_SHARE}; and at the "
                 f"{len(ratios)} recalls above it answers at least "
                 f"{min(ratios, default=0):.2f}x the queries: 1x")
    if turns.two:
        gate(turns.ratio() >= TWO_THREADS, f"two threads build in 1/{turns.ratio():.2f} of the time"
             f" of one, medians of {len(turns.two)} and {len(turns.one)}: 1/{TWO_THREADS}")
        gate(len(turns.digests) == 1, "one thread and two build the same bytes: digest "
             + ", ".join(sorted(turns.digests)))
    else:
        print(f"  -      builds with two threads were not measured: {turns.why}")
    if data.type == "u8":
        for name in kiths_of(curves):
            each = by_device[name].index_bytes / len(data.base)
            gate(each <= INDEX_BYTES, f"{each:.0f} bytes a vector beyond its row, {name}: "
                 f"{INDEX_BYTES}")
