"""graph_contenders.py - Kith and its peers behind one face, for graph.py and graph_grow.py.

A contender is built once and then asked: search(ef) answers all queries with one thread and
returns (row numbers, seconds, latencies in microseconds or None, distances or None). Kith and
hnswlib answer one query at a time in loops of C and C++; FAISS, usearch and glass get all queries
in one call, which costs them the least Python. Each is given the rows in the form it is fastest
with. Another peer is one more class here, with make() and search(), a name in graph.py's ALL and a
line in its peers().
"""
import ctypes
import gc
import os
import sys
import tempfile
import time

import numpy

TYPES = {"f32": 0, "u8": 1}  # kith_type, kith_metric, kith_walk
METRICS = {"l2sq": 0, "cosine": 2}
WALKS = {"auto": 0, "rows": 1, "sq8": 2, "sq4": 3, "sq1": 4}
OVER_CODES = 2  # kith_search_mode
M, EF_CONSTRUCTION = 16, 200


def resident():
    """After what was freed went back to the system: else a contender lives in another's leavings,
    and seems to need no memory."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(ctypes.c_size_t(0))
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def floats(data, rows):
    """What peers of f32 take: of cosine the unit vectors, whose inner products are the same."""
    rows = rows.astype("f4")
    if data.metric == "cosine":
        rows /= numpy.maximum(numpy.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    return numpy.ascontiguousarray(rows)


class Contender:
    """device, isa and codes name it in the result file; batch is 1 or the queries of a call."""
    library, isa, codes, batch = "", "", "f32", 1
    digest = index_bytes = None
    ef_construction = EF_CONSTRUCTION

    def build(self):
        before = resident()
        self.make()
        self.bytes = resident() - before  # while the rows are there that it was given
        self.base = None

    def pointer(self, array):
        return array.ctypes.data_as(ctypes.c_void_p)


class Build(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in
                "type metric dim rows m ef_construction walk threads sketch".split()]
    _fields_ += [("seconds", ctypes.c_double), ("index_bytes", ctypes.c_double),
                 ("digest", ctypes.c_uint64), ("brief", ctypes.c_uint32),
                 ("brief_bits", ctypes.c_uint32)]


class Search(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in "count k ef together mode".split()]
    _fields_ += [(name, ctypes.c_double) for name in "rerank slack seconds distances".split()]


class Kith(Contender):
    """One graph, asked one query at a time; together() is the same graph asked in one call."""
    def __init__(self, module, data, walk="auto", slack=0.0, ef_construction=0, sketch=False,
                 threads=1, device="kith"):
        self.lib = ctypes.CDLL(module)
        self.lib.peer_graph_error.restype = ctypes.c_char_p
        self.lib.peer_graph_isa.restype = ctypes.c_char_p
        self.lib.peer_graph_build.restype = ctypes.c_void_p
        self.data, self.walk, self.slack = data, walk, slack
        self.ef_construction, self.sketch, self.threads = ef_construction, sketch, threads
        self.device = device
        self.isa, self.codes = self.lib.peer_graph_isa().decode(), data.type

    def make(self):
        base = self.data.base
        told = Build(TYPES[self.data.type], METRICS[self.data.metric], base.shape[1], len(base),
                     M, self.ef_construction, WALKS[self.walk], self.threads, self.sketch)
        self.graph = self.lib.peer_graph_build(ctypes.byref(told), self.pointer(base))
        if not self.graph:
            raise RuntimeError(self.lib.peer_graph_error().decode())
        self.seconds, self.index_bytes = told.seconds, told.index_bytes
        self.ef_construction, self.digest = told.ef_construction, "%016x" % told.digest
        self.chosen = "sq8" if not told.brief else "sq4" if told.brief_bits == 4 else \
            "sq8/%u" % told.brief

    def search(self, ef):
        queries = self.data.queries
        told = Search(len(queries), self.data.k, ef, self.batch > 1, 0, 0.0, self.slack)
        ids = numpy.empty((len(queries), self.data.k), "u4")
        latency = numpy.zeros(len(queries))
        status = self.lib.peer_graph_search(
            ctypes.c_void_p(self.graph), ctypes.byref(told), self.pointer(queries),
            ctypes.c_size_t(queries.strides[0]), self.pointer(ids), self.pointer(latency))
        if status:
            raise RuntimeError(self.lib.peer_graph_error().decode())
        if told.mode == OVER_CODES:
            self.codes = self.chosen if self.walk == "auto" else self.walk
        return ids, told.seconds, None if self.batch > 1 else latency, told.distances

    def together(self):
        other = object.__new__(Kith)
        other.__dict__.update(self.__dict__, batch=len(self.data.queries))
        return other

    def close(self):
        self.lib.peer_graph_close(ctypes.c_void_p(self.graph))


class Hnswlib(Contender):
    device, library, isa = "hnswlib", "hnswlib 0.8.0", "f32"

    def __init__(self, module, data):
        self.lib = ctypes.CDLL(module)
        self.lib.hnswlib_build.restype = ctypes.c_void_p
        self.lib.hnswlib_search.restype = ctypes.c_double
        self.data = data
        self.base, self.queries = floats(data, data.base), floats(data, data.queries)

    def make(self):
        seconds = ctypes.c_double()
        self.graph = self.lib.hnswlib_build(
            self.pointer(self.base), len(self.base), self.base.shape[1],
            int(self.data.metric == "cosine"), M, EF_CONSTRUCTION, ctypes.byref(seconds))
        if not self.graph:
            raise RuntimeError("hnswlib could not build its graph")
        self.seconds = seconds.value

    def search(self, ef):
        count, dim = self.queries.shape
        ids = numpy.empty((count, self.data.k), "u4")
        latency = numpy.empty(count)
        seconds = self.lib.hnswlib_search(ctypes.c_void_p(self.graph), self.pointer(self.queries),
                                          count, dim, self.data.k, ef, self.pointer(ids),
                                          self.pointer(latency))
        if seconds < 0:
            raise RuntimeError("hnswlib failed in a search")
        return ids, seconds, latency, None


class Usearch(Contender):
    """Types f32, bf16, f16 and i8. u8 rows under l2sq, less 128 each, are i8 without loss."""

    def __init__(self, data, kind):
        import usearch
        self.device, self.library, self.isa = "usearch", "usearch " + usearch.__version__, kind
        self.data, self.codes, self.batch = data, kind, len(data.queries)
        if kind == "i8" and data.type == "u8":
            self.base, self.queries = [(x.astype("i2") - 128).astype("i1")
                                       for x in (data.base, data.queries)]
        else:
            self.base, self.queries = floats(data, data.base), floats(data, data.queries)

    def make(self):
        from usearch.index import Index
        self.index = Index(ndim=self.base.shape[1], dtype=self.codes, connectivity=M,
                           metric="cos" if self.data.metric == "cosine" else "l2sq",
                           expansion_add=EF_CONSTRUCTION)
        keys = numpy.arange(len(self.base), dtype="u8")
        begin = time.perf_counter()
        self.index.add(keys, self.base, threads=1)
        self.seconds = time.perf_counter() - begin

    def search(self, ef):
        self.index.expansion_search = ef
        begin = time.perf_counter()
        found = self.index.search(self.queries, self.data.k, threads=1)
        seconds = time.perf_counter() - begin
        distances = getattr(found, "computed_distances", None)
        return found.keys.astype("u4"), seconds, None, distances


class Faiss(Contender):
    """IndexHNSWFlat, or IndexHNSWSQ with 8 bits an element, asked with all queries in one call."""

    def __init__(self, data, kind):
        import faiss
        faiss.omp_set_num_threads(1)
        self.faiss, self.device, self.library = faiss, "faiss", "faiss " + faiss.__version__
        self.isa = self.codes = kind
        self.data, self.batch = data, len(data.queries)
        self.base, self.queries = floats(data, data.base), floats(data, data.queries)

    def make(self):
        faiss, dim = self.faiss, self.base.shape[1]
        if self.codes == "sq8":
            self.index = faiss.IndexHNSWSQ(dim, faiss.ScalarQuantizer.QT_8bit, M)
        else:
            self.index = faiss.IndexHNSWFlat(dim, M)  # of unit vectors: the order of cosine
        self.index.hnsw.efConstruction = EF_CONSTRUCTION
        begin = time.perf_counter()
        self.index.train(self.base)
        self.index.add(self.base)
        self.seconds = time.perf_counter() - begin

    def search(self, ef):
        self.index.hnsw.efSearch = ef
        self.faiss.cvar.hnsw_stats.reset()
        begin = time.perf_counter()
        ids = self.index.search(self.queries, self.data.k)[1]
        seconds = time.perf_counter() - begin
        return ids.astype("u4"), seconds, None, self.faiss.cvar.hnsw_stats.ndis


class Glass(Contender):
    """zilliztech's glass 2.1: a graph over 8-bit codes, walked over the codes that are named first
    and ranked again by those named second. The module has to be installed by hand (graph.py)."""

    def __init__(self, data, kind, elder=None):
        import glass
        if not hasattr(glass, "Searcher"):
            raise ImportError(f"{glass.__file__} is another module of that name")
        self.glass, self.device, self.library, self.elder = glass, "glass", "glass", elder
        self.isa = self.codes = kind
        self.data, self.batch = data, len(data.queries)
        self.base, self.queries = floats(data, data.base), floats(data, data.queries)
        self.metric = "IP" if data.metric == "cosine" else "L2"

    def make(self):
        glass, (walked, _, ranked) = self.glass, self.codes.upper().partition("+")
        glass.set_num_threads(1)
        with talk_to_stderr():
            graph = self.build_graph()
            begin = time.perf_counter()
            self.searcher = glass.Searcher(graph, self.base, self.metric, walked, ranked)
            self.seconds += time.perf_counter() - begin
            self.searcher.set_ef(40)
            self.searcher.optimize(1)  # it tries how far to fetch ahead; not counted

    def build_graph(self):
        """One for all kinds, through a file, since a searcher takes away what it is given."""
        if self.elder:
            self.file, self.graph_seconds = self.elder.file, self.elder.graph_seconds
        else:
            self.file = tempfile.NamedTemporaryFile(prefix="kith-peers-glass-")
            begin = time.perf_counter()
            graph = self.glass.Index("HNSW", self.metric, quant="SQ8U", R=2 * M,
                                     L=EF_CONSTRUCTION).build(self.base)
            self.graph_seconds = time.perf_counter() - begin
            graph.save(self.file.name)
        self.seconds = self.graph_seconds
        return self.glass.Graph(self.file.name)

    def search(self, ef):
        self.searcher.set_ef(ef)
        begin = time.perf_counter()
        ids = self.searcher.batch_search(self.queries, self.data.k, 1)[0]
        seconds = time.perf_counter() - begin
        each = self.searcher.get_last_search_dist_cmps()
        return ids.astype("u4"), seconds, None, each * len(self.queries)


class talk_to_stderr:
    """What a library prints by itself does not belong between the tables."""

    def __enter__(self):
        sys.stdout.flush()
        self.stdout = os.dup(1)
        os.dup2(2, 1)

    def __exit__(self, *_):
        ctypes.CDLL(None).fflush(None)
        os.dup2(self.stdout, 1)
        os.close(self.stdout)
