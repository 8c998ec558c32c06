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

    def sample(self, rows):
        """So many rows at even steps, the same queries."""
        if rows >= len(self.base):
            return self
        which = numpy.arange(rows) * len(self.base) // rows
        return Data(self.name, self.metric, numpy.ascontiguousarray(self.base[which]),
                    self.queries, self.k)


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


def manifold(rows, k, queries=1000, dim=128, seed=1):
    """Synthetic: one smooth surface of 16 dimensions in 128, and a little noise. Of clusters a
    sample is another kind of data: where a cluster has fewer rows than k, neighbours are strangers,
    and where it has thousands they are all alike. Of a surface it is the same with wider gaps."""
    inner, folds = 16, 64
    shape = numpy.random.Generator(numpy.random.PCG64(seed))
    bend = shape.standard_normal((inner, folds), "f4") / numpy.float32(inner ** 0.5)
    spread = shape.standard_normal((folds, dim), "f4") / numpy.float32(folds ** 0.5)

    def draw(count, seed):
        random = numpy.random.Generator(numpy.random.PCG64(seed))
        out = numpy.empty((count, dim), "f4")
        for first in range(0, count, 10000):
            place = random.standard_normal((10000, inner), "f4")
            noise = random.standard_normal((10000, dim), "f4")
            some = numpy.tanh(2 * place @ bend) @ spread + numpy.float32(0.02) * noise
            out[first:first + 10000] = some[:count - first]
        return out

    return Data(f"manifold-{dim}-euclidean", "l2sq", draw(rows, seed + 1), draw(queries, seed + 2),
                k)


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
    """Exact neighbours: candidates by f32, ranked again in integers or f64."""
    keep, best = min(4 * data.k, len(data.base) - 1), []
    base, queries = data.base.astype("f4"), data.queries.astype("f4")
    if data.metric == "cosine":
        base /= numpy.maximum(numpy.linalg.norm(base, axis=1, keepdims=True), 1e-30)
    half = (base ** 2).sum(axis=1) / 2
    for first in range(0, len(queries), 100):
        scores = half - queries[first:first + 100] @ base.T
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
