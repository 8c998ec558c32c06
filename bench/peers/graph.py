"""graph.py - queries a second at equal recall: Kith's graph beside those of other libraries.

All contenders get the same rows and queries, one thread and one pinned core, and take turns.
Printed are medians over the rounds, at equal recall, interpolated on log QPS between the points
that no other point of the same contender beats (graph_curves.py), and what is aimed at
(graph_tables.py). The result file holds every point, so that `kith report` draws all on one chart.
Then Kith alone on more and more rows of one kind (graph_grow.py).

glass is measured where its module can be imported. There is no wheel of it: PyPI's `glass` is
another program, and a recipe that builds a peer is not ours to keep. `pip install` its python/
folder with this environment's pip, or name its place in PYTHONPATH, and it takes part.
"""
import argparse
import os
import subprocess
import sys
import time

import graph_builds
import graph_contenders
import graph_data
import graph_grow
import graph_result
from graph_curves import measure, survey
from graph_tables import FASHION, KITHS, WORDNET, print_set, title

SETS = (FASHION, WORDNET)
ALL = ("hnswlib,usearch-i8,usearch-bf16,usearch-f16,usearch-f32,faiss-f32,faiss-sq8,"
       "glass-sq8u,glass-sq8u+fp32,glass-sq4u+fp16")
# Of each library what is fastest there: usearch's i8 is exact for u8 rows, and of 8,000 rows of
# wordnet-256-angular it reached a recall of 0.91 and no more.
BEST = {FASHION: "hnswlib,usearch-i8,faiss-f32,faiss-sq8,"
                 "glass-sq8u,glass-sq8u+fp32,glass-sq4u+fp16",
        WORDNET: "hnswlib,usearch-bf16,faiss-f32,faiss-sq8,glass-sq8u+fp32"}
SIZES = (10000, 100000, 1000000)


def peers(arguments, data):
    glass = None
    names = {"best": BEST.get(data.name, ALL), "all": ALL}.get(arguments.peers, arguments.peers)
    for name in names.split(",") if names else ():
        library, _, kind = name.partition("-")
        try:
            if library == "hnswlib":
                yield graph_contenders.Hnswlib(arguments.hnswlib, data)
            elif library == "usearch":
                yield graph_contenders.Usearch(data, kind)
            elif library == "faiss":
                yield graph_contenders.Faiss(data, kind)
            elif library == "glass":
                glass = graph_contenders.Glass(data, kind, glass)
                yield glass
        except (ImportError, OSError) as error:
            print(f"{name} is not to be had here: {error}", file=sys.stderr)


class Parts:
    """How long each part took, and how much of that this process ran: the rest is others' work."""

    def __init__(self):
        self.wall, self.busy, self.told = time.monotonic(), time.process_time(), []

    def end(self, what):
        wall, busy = time.monotonic(), time.process_time()
        self.told.append(f"{what} {wall - self.wall:.0f} s ({busy - self.busy:.0f} s of processor)")
        self.wall, self.busy = wall, busy

    def say(self):
        print("  took: " + ", ".join(self.told), flush=True)


def build(contender):
    begin = time.process_time()
    print(f"building: {title(contender)}", end="", file=sys.stderr, flush=True)
    contender.build()
    print(f", {contender.seconds:.1f} s ({time.process_time() - begin:.0f} s of processor)",
          file=sys.stderr, flush=True)
    return contender


def build_kiths(arguments, data):
    """Each asked in both ways; without the sketched one where sketches do not pay. Rows of floats
    are walked over codes of 4 bits as well, where that is not what was asked for."""
    curves, first = {}, None
    variants = [{}, {"device": "kith sketched", "sketch": True}]
    if data.type == "f32" and arguments.walk == "auto":
        variants.append({"device": "kith of 4 bits", "walk": "sq4"})
    for variant in variants:
        told = {"walk": arguments.walk, "slack": arguments.slack, **variant}
        contender = build(graph_contenders.Kith(arguments.kith, data, **told))
        first = first or contender
        if contender.sketch and contender.index_bytes == first.index_bytes:
            print("sketches of these rows do not pay and were not made: left out", file=sys.stderr)
            contender.close()
            continue
        curves[contender] = survey(contender)
        together = contender.together()
        curves[together] = survey(together)
    return first, curves


def compare(arguments, data, parts):
    first, curves = build_kiths(arguments, data)
    turns = graph_builds.Turns(arguments, data, first)
    for contender in peers(arguments, data):
        turns.turn()
        build(contender)
        curves[contender] = survey(contender)
    turns.rest()
    for contender in curves:
        if contender.device == first.device:
            contender.seconds = turns.seconds()  # of both ways of asking it
    parts.end("building and surveying")
    measure(curves, arguments.rounds, arguments.minutes)
    parts.end("rounds")
    print_set(data, curves, turns)
    graph_result.write(arguments.tool, data, curves,
                       [graph_result.build_json(first, 2, seconds) for seconds in turns.two])
    parts.say()
    for contender in curves:
        if contender.device in KITHS and contender.batch == 1:
            contender.close()


def known(text):
    for name in text.split(",") if text else ():
        if text not in ("best", "all") and name not in ALL.split(","):
            raise argparse.ArgumentTypeError(f"no peer is named {name}; known: {ALL}")
    return text


def sizes(text):
    return [int(n) for n in text.split(",")]


def options():
    parser = argparse.ArgumentParser(prog="graph.sh", description=__doc__.split("\n", 1)[0])
    for name in ("tool", "kith", "hnswlib", "data"):
        parser.add_argument("--" + name, required=True, help=argparse.SUPPRESS)
    parser.add_argument("sets", nargs="*", help="default: " + " ".join(SETS))
    parser.add_argument("--peers", type=known, default="best", help=f"of {ALL}; or all; default: "
                        "of each library the types that are fastest on the set")
    parser.add_argument("--rounds", type=int, default=4, help="default: %(default)s")
    parser.add_argument("--minutes", type=float, default=4, help="of a set, after which no further "
                        "round begins; default: %(default)s")
    parser.add_argument("--builds", type=int, default=3, help="how often Kith is built once more "
                        "with one thread and with two; default: %(default)s")
    parser.add_argument("--queries", type=int, default=2000, help="at most, of each set; default: "
                        "%(default)s")
    parser.add_argument("-k", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--walk", choices=graph_contenders.WALKS, default="auto")
    parser.add_argument("--slack", type=float, default=0, help="Kith's early stop")
    parser.add_argument("--rows", type=int, help="a sample of each set, at even steps")
    parser.add_argument("--grow", type=sizes, help="in place of peers, Kith on samples of so many "
                        "rows of one set, or of synthetic rows where none is named; the default "
                        "does both, with " + ",".join(map(str, SIZES)))
    return parser.parse_args()


def grow(arguments, rows):
    parts = Parts()
    graph_grow.grow(arguments, rows)
    parts.end("growth")
    parts.say()


def main():
    try:
        run(options())
    except subprocess.CalledProcessError as error:
        sys.exit(f"graph.sh: kith {' '.join(error.cmd[1:])} failed")
    except KeyboardInterrupt:
        sys.exit(130)


def run(arguments):
    arguments.cores = graph_builds.pin()
    if arguments.grow:
        grow(arguments, arguments.grow)
        return
    for name in arguments.sets or SETS:
        parts = Parts()
        data = graph_data.named(arguments.tool, arguments.data, name, arguments.k)
        data = data.first(arguments.queries)
        data = data.sample(arguments.rows) if arguments.rows else data
        parts.end("data")
        compare(arguments, data, parts)
    if not arguments.sets and not arguments.rows:
        grow(arguments, SIZES)


if __name__ == "__main__":
    main()
