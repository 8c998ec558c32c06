"""compare.py - queries a second at equal recall: libkith and hnswlib in one process, in turns.

Both get the 60,000 x 784 vectors of Fashion-MNIST (the package dataset-fashion-mnist) and answer
the same queries with one thread on one pinned core. hnswlib gets f32 vectors, its own u8 space
being scalar code; Kith gets the bytes as they are, which are the same numbers. Each is called
its best way: one call for the whole batch, one thread. A round measures every point of every
contender once; the contenders alternate within a round, so that a slow minute of the machine
falls on all. Printed are medians over the rounds; ratios are at equal recall, interpolated
between points on log QPS.
"""
import argparse
import ctypes
import gzip
import math
import os
import statistics
import time

import hnswlib
import numpy

DATA = os.environ.get("KITH_DATA", "/usr/share/datasets/fashion-mnist")
EFS = [10, 14, 20, 28, 40, 57, 80, 113, 160, 226]


class StoreOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("dim", ctypes.c_uint32), ("type", ctypes.c_int),
                ("metric", ctypes.c_int), ("keys", ctypes.c_int), ("open", ctypes.c_int),
                ("durability", ctypes.c_int), ("interval_ms", ctypes.c_uint32)]


class IndexOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("kind", ctypes.c_int), ("device", ctypes.c_char_p),
                ("cpu", ctypes.c_char_p), ("m", ctypes.c_uint32),
                ("ef_construction", ctypes.c_uint32), ("alpha", ctypes.c_float),
                ("seed", ctypes.c_uint64), ("threads", ctypes.c_uint32),
                ("walk", ctypes.c_int), ("reduce", ctypes.c_uint32),
                ("passes", ctypes.c_uint32)]


class SearchOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("k", ctypes.c_uint32), ("ef", ctypes.c_uint32),
                ("threads", ctypes.c_uint32), ("prefetch_lines", ctypes.c_uint32),
                ("f32_queries", ctypes.c_uint32), ("rerank", ctypes.c_float),
                ("slack", ctypes.c_float)]


HIT = numpy.dtype([("key", "<u8"), ("row", "<u4"), ("distance", "<f4")])
U8, L2SQ, HNSW = 1, 0, 1


class Kith:
    """The library through its C interface: the header's structs, no wrapper in between."""

    def __init__(self, path, base, m, ef_construction):
        self.lib = ctypes.CDLL(path)
        self.lib.kith_last_error.restype = ctypes.c_char_p
        self.lib.kith_store_defaults.restype = StoreOptions
        self.lib.kith_index_defaults.restype = IndexOptions
        self.lib.kith_search_defaults.restype = SearchOptions
        options = self.lib.kith_store_defaults(ctypes.c_uint32(base.shape[1]), U8, L2SQ)
        self.store, self.index = ctypes.c_void_p(), ctypes.c_void_p()
        self.check(self.lib.kith_store_open(None, ctypes.byref(options),
                                            ctypes.byref(self.store)))
        self.check(self.lib.kith_store_load(self.store, None, base.ctypes.data_as(
            ctypes.c_void_p), ctypes.c_size_t(len(base)), None, None))
        options = self.lib.kith_index_defaults(HNSW)
        options.m, options.ef_construction, options.threads = m, ef_construction, 1
        self.check(self.lib.kith_index_create(self.store, ctypes.byref(options),
                                              ctypes.byref(self.index)))
        start = time.perf_counter()
        self.check(self.lib.kith_index_build(self.index, None, None))
        self.build_seconds = time.perf_counter() - start

    def check(self, status):
        if status:
            raise RuntimeError(self.lib.kith_last_error().decode())

    def search(self, queries, k, ef):
        options = self.lib.kith_search_defaults(ctypes.c_uint32(k))
        options.ef, options.threads = ef, 1
        hits = numpy.empty((len(queries), k), HIT)
        self.check(self.lib.kith_index_search(
            self.index, queries.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(queries)),
            ctypes.byref(options), hits.ctypes.data_as(ctypes.c_void_p), None))
        return hits["row"]

    def exact(self, base, queries, k):
        rows = numpy.empty((len(queries), k), "<u4")
        self.check(self.lib.kith_exact(
            L2SQ, U8, ctypes.c_uint32(base.shape[1]), base.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(len(base)), queries.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(len(queries)), ctypes.c_uint32(k), ctypes.c_uint32(0),
            rows.ctypes.data_as(ctypes.c_void_p), None, None, None))
        return rows


class Hnswlib:
    def __init__(self, base, m, ef_construction):
        self.index = hnswlib.Index(space="l2", dim=base.shape[1])
        self.index.init_index(max_elements=len(base), M=m, ef_construction=ef_construction,
                              random_seed=1)
        start = time.perf_counter()
        self.index.add_items(base.astype("f4"), num_threads=1)
        self.build_seconds = time.perf_counter() - start
        self.index.set_num_threads(1)

    def search(self, queries, k, ef):
        self.index.set_ef(ef)
        return self.index.knn_query(queries, k=k, num_threads=1)[0]


def images(name):
    with gzip.open(os.path.join(DATA, name)) as file:
        return numpy.frombuffer(file.read(), "u1", offset=16).reshape(-1, 784).copy()


def recall(found, truth):
    return sum(len(set(f) & set(t)) for f, t in zip(found, truth)) / truth.size


def qps_at(points, wanted):
    """log-linear between the two points around the wanted recall; None outside the curve."""
    for (r0, q0), (r1, q1) in zip(points, points[1:]):
        if r0 <= wanted <= r1 and r1 > r0:
            share = (wanted - r0) / (r1 - r0)
            return math.exp(math.log(q0) * (1 - share) + math.log(q1) * share)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--library", required=True)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("-M", type=int, default=16)
    parser.add_argument("--ef-construction", type=int, default=200, help="of hnswlib")
    parser.add_argument("--ours", type=int, default=128, help="ef_construction of Kith")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    k = arguments.k
    base = images("train-images-idx3-ubyte.gz")
    queries = images("t10k-images-idx3-ubyte.gz")[:arguments.queries]
    floats = queries.astype("f4")
    kith = Kith(arguments.library, base, arguments.M, arguments.ours)
    truth = kith.exact(base, queries, k)
    peer = Hnswlib(base, arguments.M, arguments.ef_construction)
    contenders = [("kith", kith, queries), ("hnswlib", peer, floats)]
    seconds = {(name, ef): [] for name, _, _ in contenders for ef in EFS}
    found = {}
    for _ in range(arguments.rounds):
        for ef in EFS:
            for name, index, batch in contenders:
                start = time.perf_counter()
                answer = index.search(batch, k, max(ef, k))
                seconds[name, ef].append(time.perf_counter() - start)
                found[name, ef] = recall(answer, truth)
    print(f"{len(base)} x {base.shape[1]} u8, {len(queries)} queries, k={k}, one thread, "
          f"M={arguments.M}, ef_construction={arguments.ours} (kith), "
          f"{arguments.ef_construction} (hnswlib), "
          f"medians of {arguments.rounds} rounds in turns")
    print(f"build seconds: kith {kith.build_seconds:.1f}, hnswlib {peer.build_seconds:.1f}, "
          f"ratio {kith.build_seconds / peer.build_seconds:.2f}")
    curves = {}
    for name, _, _ in contenders:
        curves[name] = []
        for ef in EFS:
            qps = len(queries) / statistics.median(seconds[name, ef])
            curves[name].append((found[name, ef], qps))
            print(f"{name:8} ef {ef:4} recall@{k} {found[name, ef]:.4f} {qps:9.0f} queries/s")
    for wanted in (0.95, 0.97, 0.99, 0.995):
        ours, theirs = (qps_at(curves[name], wanted) for name in ("kith", "hnswlib"))
        if ours and theirs:
            print(f"at recall {wanted}: kith {ours:.0f}, hnswlib {theirs:.0f} queries/s, "
                  f"ratio {ours / theirs:.2f}")


main()
