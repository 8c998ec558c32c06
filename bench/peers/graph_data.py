"""graph_data.py - rows, queries and exact neighbours for graph.py, and the judge of an answer.

Named sets are written by `kith data get`, true neighbours and all. Recall is strict, as
cli/recall.c has it: distances are computed again, a row counts once, and it counts if it is no
farther than the k-th true neighbour.
"""
import json
import os
import subprocess

import numpy


class Data:
    """name, type ("u8", "f32"), metric ("l2sq", "cosine"), base, queries, truth, k, sha256"""

    def __init__(self, name, metric, base, queries, k, truth=None, sha256=""):
        self.name, self.metric, self.base, self.queries = name, metric, base, queries
        self.type = {"uint8": "u8", "float32": "f32"}[base.dtype.name]
        self.k, self.sha256 = k, sha256
        self.truth = nearest(self) if truth is None else truth
        self.farthest = distances(self, self.truth).max(axis=1)

    def first(self, queries):
        return Data(self.name, self.metric, self.base, self.queries[:queries], self.k,
                    self.truth[:queries], self.sha256)


def matrix(path, element):
    rows, dim = numpy.fromfile(path, "<u4", 2)
    return numpy.fromfile(path, element, offset=8).reshape(rows, dim)


def named(tool, folder, name, k):
    """Through the tool's own files; they are left in `folder` and written anew each time."""
    paths = subprocess.run([tool, "data", "get", name, "--out", folder, "-k", str(k)],
                           check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")
    about = json.loads(subprocess.run([tool, "data", "info", name, "--json"], check=True,
                                      stdout=subprocess.PIPE, text=True).stdout)
    element = "u1" if paths[0].endswith(".u8bin") else "<f4"
    base, queries = matrix(paths[0], element), matrix(paths[1], element)
    return Data(name, about["metric"], base, queries, k, matrix(paths[2], "<i4"),
                about["sha256"])


def clustered(rows, k, queries=1000, dim=128, seed=1):
    """Synthetic: clusters of 100 rows, each in 16 random directions of its own with a little noise,
    wide enough to overlap. More rows are more clusters, none denser: with as many clusters at
    every size, a hundred thousand rows were easier to search than ten thousand."""
    clusters, inner = max(rows // 100, 1), 16
    shape = numpy.random.Generator(numpy.random.PCG64(seed))
    centres = shape.standard_normal((clusters, dim), "f4") * numpy.float32(0.6)
    flats = shape.standard_normal((clusters, inner, dim), "f4") / numpy.float32(inner ** 0.5)

    def draw(count, seed):
        random = numpy.random.Generator(numpy.random.PCG64(seed))
        out = numpy.empty((count, dim), "f4")
        for first in range(0, count, 10000):
            n = min(10000, count - first)
            cluster = random.integers(0, clusters, 10000)[:n]
            place = random.standard_normal((10000, 1, inner), "f4")[:n]
            noise = random.standard_normal((10000, dim), "f4")[:n]
            for i in range(0, n, 1000):
                part = slice(i, min(i + 1000, n))
                out[first + i:first + min(i + 1000, n)] = (
                    centres[cluster[part]] + (place[part] @ flats[cluster[part]])[:, 0]
                    + numpy.float32(0.05) * noise[part])
        return out

    return Data(f"clustered-{dim}-euclidean", "l2sq", draw(rows, seed + 1),
                draw(queries, seed + 2), k)


def distances(data, rows):
    """In integers, or in f64: between each query and the rows that belong to it."""
    out = numpy.empty(rows.shape)
    number = "i4" if data.type == "u8" else "f8"
    for first in range(0, len(rows), 100):
        part = slice(first, first + 100)
        x = data.base[rows[part]].astype(number)
        q = data.queries[part].astype(number)
        if data.metric == "l2sq":
            out[part] = ((x - q[:, None]) ** 2).sum(axis=2)
        else:
            norms = numpy.sqrt((x ** 2).sum(axis=2) * (q ** 2).sum(axis=1)[:, None])
            dots = (x * q[:, None]).sum(axis=2)
            out[part] = 1 - numpy.divide(dots, norms, where=norms > 0, out=numpy.zeros_like(dots))
    return out


def nearest(data):
    """Exact neighbours under l2sq: candidates by f32, ranked again in f64."""
    keep, best = 4 * data.k, []
    half = (data.base ** 2).sum(axis=1) / 2
    for first in range(0, len(data.queries), 100):
        scores = half - data.queries[first:first + 100] @ data.base.T
        best.append(numpy.argpartition(scores, keep, axis=1)[:, :keep])
    rows = numpy.concatenate(best)
    order = numpy.argsort(distances(data, rows), axis=1, kind="stable")[:, :data.k]
    return numpy.take_along_axis(rows, order, axis=1)


def recall(data, rows):
    """Strict, and as ann-benchmarks has it: 1e-3 farther, not squared, is near enough."""
    rows = numpy.sort(rows.astype("i8"), axis=1)
    valid = rows < len(data.base)
    valid[:, 1:] &= rows[:, 1:] != rows[:, :-1]
    found = distances(data, numpy.where(valid, rows, 0))
    kth = data.farthest[:, None]
    strict = valid & (found <= kth)
    if data.metric == "l2sq":
        found, kth = numpy.sqrt(found), numpy.sqrt(kth)
    near = valid & (found <= kth + 1e-3)
    return float(strict.sum() / strict.size), float(near.sum() / near.size)
