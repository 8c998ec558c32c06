"""distances.py - distance kernels beside those of other libraries: same rows, same row numbers.

Every contender works on one buffer of rows in random order, in a loop of peer_loops.c, and is
called in its best way: NumKong and hnswlib a pair at a time (they have no other), FAISS four rows
at a time and a pair at a time, Kith with lists of 32 row numbers. A round times every contender of
a case once, in random order; printed are medians over the rounds, nanoseconds a distance, and
how many times faster Kith is. Before that, every contender's distances are compared with exact
ones, so that nobody wins by computing something else.

usearch hides its kernels in its module; they are NumKong's, which stand here under their own name.
"""
import argparse
import ctypes
import glob
import os
import random
import statistics
import sys

import numpy

L2SQ, IP, COSINE, HAMMING, JACCARD = range(5)
METRICS = ["l2sq", "ip", "cosine", "hamming", "jaccard"]
F32, U8, F16, BF16, I8, B1, F32U8, F32I8, BF16BF16 = range(9)
TYPES = ["f32", "u8", "f16", "bf16", "i8", "b1", "f32u8", "f32i8", "bf16bf16"]
ROW_TYPE = {F32U8: U8, F32I8: I8, BF16BF16: BF16}
GATHER, TILE = 3, 6  # slots of kernels.h
RESULT_F32, RESULT_F64, RESULT_U32, RESULT_I32 = range(4)
COUNT = 4096  # row numbers of a pass


class Case(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("stride", ctypes.c_size_t),
                ("query", ctypes.c_void_p), ("ids", ctypes.c_void_p), ("count", ctypes.c_uint64),
                ("dim", ctypes.c_uint64), ("out", ctypes.c_void_p)]


def aligned(shape, dtype):
    """Zeros that begin on a page of 2 MB, which the system may then make a huge one."""
    size = int(numpy.prod(shape)) * numpy.dtype(dtype).itemsize
    raw = numpy.zeros(size + (2 << 20), numpy.uint8)
    start = -raw.ctypes.data % (2 << 20)
    return raw[start:start + size].view(dtype).reshape(shape)


def address(library, *names):
    """Where the first of the names is that the library has, or None."""
    for name in names:
        function = getattr(library, name, None) if library else None
        if function is not None:
            return ctypes.cast(function, ctypes.c_void_p)
    return None


def to_bf16(x):
    bits = x.astype(numpy.float32).view(numpy.uint32)
    return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype(numpy.uint16)


def widen(kind, x):
    """Elements as f64, one column a dimension."""
    if kind == BF16:
        return (x.astype(numpy.uint32) << 16).view(numpy.float32).astype(numpy.float64)
    if kind == B1:
        return numpy.unpackbits(x, axis=-1, bitorder="little").astype(numpy.float64)
    return x.astype(numpy.float64)


def distances(metric, q, x):
    dot = x @ q
    if metric == L2SQ:
        return ((x - q) ** 2).sum(1)
    if metric == IP:
        return -dot
    if metric == COSINE:
        return 1 - dot / numpy.sqrt((x * x).sum(1) * (q * q).sum())
    if metric == HAMMING:
        return (x != q).sum(1).astype(numpy.float64)
    return 1 - dot / numpy.maximum(x, q).sum(1)


class Rows:
    """Rows of one type in lines of 64 bytes, their side data, a query, and row numbers."""

    def __init__(self, peers, kind, dim, set_bytes, seed):
        draw = numpy.random.default_rng(seed)
        width = {F32: 4, F16: 2, BF16: 2, I8: 1, U8: 1}
        self.kind, self.dim = kind, dim
        row_bytes = dim // 8 if kind == B1 else dim * width[kind]
        self.stride = (row_bytes + 63) // 64 * 64
        self.count = max(64, set_bytes // self.stride)
        self.base = aligned((self.count, self.stride), numpy.uint8)
        queries = 256
        plain = self.draw(draw, (self.count + queries, dim))
        dtype = {F32: numpy.float32, F16: numpy.float16, BF16: numpy.uint16, I8: numpy.int8}
        self.elements = plain[:self.count]
        self.base[:, :row_bytes] = numpy.ascontiguousarray(self.elements).view(numpy.uint8)
        self.queries = aligned((queries, row_bytes), numpy.uint8)
        self.queries[:] = numpy.ascontiguousarray(plain[self.count:]).view(numpy.uint8)
        self.query = self.queries[0].view(dtype.get(kind, numpy.uint8))
        self.aux = aligned((self.count, 16), numpy.uint8)
        for i in range(self.count):
            peers.loops.peer_kith_aux(kind, self.base[i].ctypes.data_as(ctypes.c_void_p), dim,
                                      self.aux[i].ctypes.data_as(ctypes.c_void_p))
        self.ids = draw.integers(0, self.count, COUNT, dtype=numpy.uint32)

    def draw(self, draw, shape):
        if self.kind == B1:
            return draw.integers(0, 256, (shape[0], shape[1] // 8), dtype=numpy.uint8)
        if self.kind == U8:
            return draw.integers(0, 256, shape, dtype=numpy.uint8)
        if self.kind == I8:
            return draw.integers(-127, 128, shape, dtype=numpy.int8)
        floats = draw.standard_normal(shape, dtype=numpy.float32)
        if self.kind == F16:
            return floats.astype(numpy.float16)
        return to_bf16(floats) if self.kind == BF16 else floats

    def truth(self, metric):
        x = widen(self.kind, self.elements[self.ids])
        return distances(metric, widen(self.kind, self.query), x)

    def case(self, query=None, out=None, dim=None):
        query = self.query if query is None else query
        return Case(self.base.ctypes.data, self.stride, query.ctypes.data, self.ids.ctypes.data,
                    COUNT, dim or self.dim, out.ctypes.data if out is not None else None)


class Peers:
    """The shared objects, and who can be called in them."""

    def __init__(self, loops, hnswlib):
        self.loops = ctypes.CDLL(loops)
        for name in ("numkong", "hnswlib", "faiss", "faiss_four", "kith_gather", "kith_tile"):
            getattr(self.loops, "peer_" + name).restype = ctypes.c_double
        self.loops.peer_kith_open.restype = ctypes.c_void_p
        self.loops.peer_kith_name.restype = ctypes.c_char_p
        self.hnswlib = ctypes.CDLL(hnswlib) if hnswlib else None
        self.numkong = self.faiss = self.numkong_module = None
        self.versions = []
        try:
            import numkong
            folder = os.path.dirname(numkong.__file__)
            self.numkong = ctypes.CDLL(glob.glob(folder + "/_numkong*.so")[0])
            self.numkong_module = numkong
            self.versions.append("numkong " + numkong.__version__)
        except ImportError:
            self.versions.append("no numkong")
        try:
            import faiss
            self.faiss = ctypes.CDLL(os.path.dirname(faiss.__file__) + "/libfaiss.so")
            self.versions.append("faiss-cpu " + faiss.__version__)
        except (ImportError, OSError):
            self.versions.append("no faiss")
        self.versions.append("hnswlib 0.8.0" if hnswlib else "no hnswlib")

    def table(self, level):
        return self.loops.peer_kith_open(level.encode())

    def cap_numkong(self, avx2_only):
        """NumKong as it chooses itself, or held to what a Haswell has."""
        if not self.numkong_module:
            return
        beyond = ("alder", "skylake", "icelake", "genoa", "sapphire", "sapphireamx")
        for name in beyond:
            if avx2_only:
                self.numkong_module.disable_capability(name)
            else:
                self.numkong_module.enable_capability(name)


def numkong_of(kind, metric):
    """The function's name, the type of its result, what it gives in terms of the metric, and what
    it wants for its length."""
    name = {L2SQ: "sqeuclidean", IP: "dot", COSINE: "angular", HAMMING: "hamming",
            JACCARD: "jaccard"}[metric]
    suffix = "u1" if kind == B1 else TYPES[kind]
    result = {F32: RESULT_F64, F16: RESULT_F32, BF16: RESULT_F32}.get(kind)
    if result is None:
        result = RESULT_F32 if metric in (COSINE, JACCARD) else \
            RESULT_I32 if kind == I8 and metric == IP else RESULT_U32
    return "nk_%s_%s" % (name, suffix), result


FAISS_FOUR = {L2SQ: "fvec_L2sqr_batch_4", IP: "fvec_inner_product_batch_4"}
FAISS_ONE = {L2SQ: "fvec_L2sqr", IP: "fvec_inner_product"}


def faiss_names(names, metric, level, arguments):
    """Mangled names of the function for one instruction set, then of the one that chooses."""
    name = names[metric]
    length = len(name)
    void = arguments.startswith("v")
    template = "_ZN5faiss%d%sILNS_9SIMDLevelE%dEEE%s" % (length, name, level, arguments)
    return template, "_ZN5faiss%d%sE%s" % (length, name, arguments[1:] if void else arguments[1:])


class Contest:
    """One case: contenders by name, each a function that returns nanoseconds for a pass."""

    def __init__(self, peers, rows, metric, pairing, level, query_is_f32):
        self.peers, self.rows, self.metric, self.pairing = peers, rows, metric, pairing
        self.level, self.query_is_f32 = level, query_is_f32
        self.run = {}
        self.add_kith()
        self.add_numkong()
        if rows.kind == F32 and metric in (L2SQ, IP):
            self.add_hnswlib()
            self.add_faiss()

    def query(self):
        if not self.query_is_f32:
            return self.rows.query
        return numpy.ascontiguousarray(widen(self.rows.kind, self.rows.query), numpy.float32)

    def add_kith(self):
        table = self.peers.table(self.level)
        if not table:
            sys.exit("this machine does not have the level '%s'" % self.level)
        query = self.query()
        self.isa = self.peers.loops.peer_kith_name(
            ctypes.c_void_p(table), self.metric, self.pairing, GATHER).decode()

        def run(out=None):
            case = self.rows.case(query, out)
            return self.peers.loops.peer_kith_gather(
                ctypes.c_void_p(table), self.metric, self.pairing, int(self.query_is_f32),
                ctypes.byref(case), self.rows.aux.ctypes.data_as(ctypes.c_void_p))
        self.run["kith"] = run

    def add_numkong(self):
        name, result = numkong_of(self.rows.kind, self.metric)
        function = address(self.peers.numkong, name)
        if not function:
            return

        def run(out=None):
            case = self.rows.case(None, out)
            elapsed = self.peers.loops.peer_numkong(ctypes.byref(case), function, result)
            if out is not None and self.metric == IP:
                out *= -1
            return elapsed
        self.run["numkong"] = run

    def add_hnswlib(self):
        if not self.peers.hnswlib:
            return
        choose = getattr(self.peers.hnswlib, "hnswlib_l2" if self.metric == L2SQ else "hnswlib_ip")
        choose.restype = ctypes.c_void_p
        function = ctypes.c_void_p(choose(ctypes.c_size_t(self.rows.dim)))

        def run(out=None):
            case = self.rows.case(None, out)
            elapsed = self.peers.loops.peer_hnswlib(ctypes.byref(case), function)
            if out is not None and self.metric == IP:
                out -= 1  # hnswlib's distance is 1 - dot
            return elapsed
        self.run["hnswlib"] = run

    def add_faiss(self):
        level = 1 if self.level == "avx2" else 2
        one = address(self.peers.faiss,
                      *faiss_names(FAISS_ONE, self.metric, level, "fPKfS3_m"),
                      "_ZN5faiss%d%sEPKfS1_m" % (len(FAISS_ONE[self.metric]),
                                                FAISS_ONE[self.metric]))
        four = address(self.peers.faiss,
                       *faiss_names(FAISS_FOUR, self.metric, level, "vPKfS3_S3_S3_S3_mRfS4_S4_S4_"),
                       "_ZN5faiss%d%sEPKfS1_S1_S1_S1_mRfS2_S2_S2_" % (
                           len(FAISS_FOUR[self.metric]), FAISS_FOUR[self.metric]))

        def runner(loop, function):
            def run(out=None):
                case = self.rows.case(None, out)
                elapsed = loop(ctypes.byref(case), function)
                if out is not None and self.metric == IP:
                    out *= -1
                return elapsed
            return run
        if four:
            self.run["faiss x4"] = runner(self.peers.loops.peer_faiss_four, four)
        if one:
            self.run["faiss"] = runner(self.peers.loops.peer_faiss, one)

    def check(self):
        """Everybody computes the same thing, as far as f32 and bf16 sums go."""
        truth = self.rows.truth(self.metric)
        loose = 2e-2 if self.rows.kind in (BF16, F16) else 1e-3
        for name, run in self.run.items():
            out = numpy.zeros(COUNT)
            run(out)
            error = numpy.max(numpy.abs(out - truth)) / numpy.max(numpy.abs(truth))
            if not error < loose:
                sys.exit("%s: distances are off by %g of the largest (%s %s)" % (
                    name, error, METRICS[self.metric], TYPES[self.pairing]))

    def measure(self, rounds):
        times = {name: [] for name in self.run}
        names = list(self.run)
        for _ in range(rounds):
            random.shuffle(names)
            for name in names:
                self.run[name]()  # brings the rows back to where they are between passes
                times[name].append(min(self.run[name]() for _ in range(3)) / COUNT)
        return {name: statistics.median(t) for name, t in times.items()}


# metric, pairing, dimension, level, f32 queries, {peer: gate}
GATHERS = [
    (L2SQ, F32, 768, "", False, {"numkong": 3.5, "hnswlib": 1.6, "faiss x4": 0.98}),
    (IP, F32, 768, "", False, {"numkong": 3.5, "hnswlib": 1.6, "faiss x4": 0.98}),
    (COSINE, F32, 768, "", False, {"numkong": 4.0}),
    (L2SQ, F32, 768, "avx2", False, {"numkong": 4.0}),
    (IP, F32, 768, "avx2", False, {"numkong": 4.0}),
    (IP, I8, 768, "", False, {"numkong": 2.2}),
    (L2SQ, I8, 768, "", False, {}),
    (L2SQ, U8, 768, "", False, {"numkong": 2.8}),
    (IP, U8, 768, "", False, {}),
    (IP, F16, 768, "", True, {"numkong": 1.5}),
    (L2SQ, F16, 768, "", True, {"numkong": 1.5}),
    (IP, BF16, 768, "", True, {}),
    (IP, BF16BF16, 768, "", False, {}),
    (HAMMING, B1, 1536, "", False, {"numkong": 1.2}),
    (JACCARD, B1, 1536, "", False, {}),
    (L2SQ, F32, 128, "", False, {}),
    (L2SQ, F32, 1536, "", False, {}),
    (L2SQ, U8, 128, "", False, {}),
    (IP, I8, 1536, "", False, {}),
    (HAMMING, B1, 768, "", False, {}),
]


def gathers(peers, set_bytes, rounds, only):
    """Prints the table; returns the gates that were missed and the cases that were lost."""
    missed, lost, kept = [], [], {}
    print("gather, %d KB of rows: ns a distance, and Kith's speed against each peer"
          % (set_bytes >> 10))
    for metric, pairing, dim, level, query_is_f32, gates in GATHERS:
        name = "%s %s %d%s" % (TYPES[pairing], METRICS[metric], dim, " " + level if level else "")
        if only and only not in name:
            continue
        kind = ROW_TYPE.get(pairing, pairing)
        if (kind, dim) not in kept:
            kept[kind, dim] = Rows(peers, kind, dim, set_bytes, 7)
        peers.cap_numkong(level == "avx2")
        contest = Contest(peers, kept[kind, dim], metric, pairing, level, query_is_f32)
        contest.check()
        ns = contest.measure(rounds)
        words = []
        for peer in ns:
            if peer == "kith":
                continue
            ratio = ns[peer] / ns["kith"]
            verdict = ""
            if peer in gates:
                verdict = " (gate %.2f: %s)" % (gates[peer], "met" if ratio >= gates[peer]
                                                else "MISSED")
            if peer in gates and ratio < gates[peer]:
                missed.append("%s against %s" % (name, peer))
            if ratio < 1:
                lost.append("%s against %s (%.2fx)" % (name, peer, ratio))
            words.append("%s %.1f %.2fx%s" % (peer, ns[peer], ratio, verdict))
        print("  %-20s kith %-13s %6.1f | %s" % (name, contest.isa, ns["kith"],
                                                 " | ".join(words)), flush=True)
    peers.cap_numkong(False)
    return missed, lost


def tile_rate(peers, table, metric, pairing, rows, m, query_bytes):
    case = rows.case(rows.queries)
    case.count = rows.count
    elapsed = min(peers.loops.peer_kith_tile(
        ctypes.c_void_p(table), metric, pairing, ctypes.byref(case),
        rows.aux.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(query_bytes),
        ctypes.c_size_t(m)) for _ in range(2))
    return elapsed / (m * rows.count)


def sgemm_rate(blas, rows, m, products):
    import time
    dim, n = rows.dim, rows.count
    best = float("inf")
    for _ in range(2):
        begin = time.perf_counter_ns()
        blas.cblas_sgemm(101, 111, 112, m, n, dim, ctypes.c_float(1), rows.queries.ctypes.data_as(
            ctypes.c_void_p), dim, rows.base.ctypes.data_as(ctypes.c_void_p), rows.stride // 4,
            ctypes.c_float(0), products.ctypes.data_as(ctypes.c_void_p), n)
        best = min(best, time.perf_counter_ns() - begin)
    return best / (m * n)


def numkong_packed(peers, kind, rows, m):
    """NumKong's products of a packed matrix: rows packed beforehand, which is not timed."""
    lib, name = peers.numkong, TYPES[kind]
    if not lib or not hasattr(lib, "nk_dots_packed_size_" + name):
        return None
    import time
    size = getattr(lib, "nk_dots_packed_size_" + name)
    size.restype = ctypes.c_size_t
    packed = aligned(size(ctypes.c_size_t(rows.count), ctypes.c_size_t(rows.dim)) + 64,
                     numpy.uint8)
    lib.nk_configure_thread(ctypes.c_uint64(2 ** 64 - 1))
    getattr(lib, "nk_dots_pack_" + name)(
        rows.base.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(rows.count),
        ctypes.c_size_t(rows.dim), ctypes.c_size_t(rows.stride),
        packed.ctypes.data_as(ctypes.c_void_p))
    width = 8 if kind == F32 else 4
    out = aligned((m, rows.count * width), numpy.uint8)
    function = getattr(lib, "nk_dots_packed_" + name)

    def run():
        best = float("inf")
        for _ in range(2):
            begin = time.perf_counter_ns()
            function(rows.queries.ctypes.data_as(ctypes.c_void_p),
                     packed.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p),
                     ctypes.c_size_t(m), ctypes.c_size_t(rows.count), ctypes.c_size_t(rows.dim),
                     ctypes.c_size_t(rows.queries.strides[0]),
                     ctypes.c_size_t(rows.count * width))
            best = min(best, time.perf_counter_ns() - begin)
        return best / (m * rows.count)
    return run


# pairing, metric, queries, gate against sgemm of f32
TILES = [(F32, IP, 4, 1.8), (F32, IP, 8, 1.8), (F32, L2SQ, 8, None), (F32, IP, 64, None),
         (F32, IP, 256, None), (U8, IP, 64, 3.0), (U8, L2SQ, 256, 3.0), (I8, IP, 64, None),
         (BF16BF16, IP, 64, None)]


def tiles(peers, blas_path, rounds, only):
    """Many queries against 8,192 rows of 768 dimensions, beside OpenBLAS on f32 rows."""
    missed, lost, kept = [], [], {}
    blas = ctypes.CDLL(blas_path)
    blas.openblas_set_num_threads(1)
    table = peers.table("")
    print("tile, 8192 rows of 768 dimensions, one thread: ns a distance")
    for pairing, metric, m, gate in TILES:
        name = "%s %s m=%d" % (TYPES[pairing], METRICS[metric], m)
        if only and only not in name:
            continue
        kind = ROW_TYPE.get(pairing, pairing)
        for wanted in (F32, kind):
            if wanted not in kept:
                width = {F32: 4, F16: 2, BF16: 2}.get(wanted, 1)
                kept[wanted] = Rows(peers, wanted, 768, 8192 * 768 * width, 11)
        products = aligned((m, 8192), numpy.float32)
        run = {"kith": lambda: tile_rate(peers, table, metric, pairing, kept[kind], m,
                                         kept[kind].queries.strides[0]),
               "sgemm": lambda: sgemm_rate(blas, kept[F32], m, products)}
        packed = numkong_packed(peers, kind, kept[kind], m) if metric == IP else None
        if packed:
            run["numkong packed"] = packed
        times = {contender: [] for contender in run}
        for _ in range(rounds):
            for contender in random.sample(list(run), len(run)):
                times[contender].append(run[contender]())
        ns = {contender: statistics.median(t) for contender, t in times.items()}
        isa = peers.loops.peer_kith_name(ctypes.c_void_p(table), metric, pairing, TILE).decode()
        words = []
        for peer in ns:
            if peer == "kith":
                continue
            ratio = ns[peer] / ns["kith"]
            verdict = ""
            if peer == "sgemm" and gate:
                verdict = " (gate %.2f: %s)" % (gate, "met" if ratio >= gate else "MISSED")
                if ratio < gate:
                    missed.append("tile %s against %s" % (name, peer))
            if ratio < 1:
                lost.append("tile %s against %s (%.2fx)" % (name, peer, ratio))
            words.append("%s %.2f %.2fx%s" % (peer, ns[peer], ratio, verdict))
        print("  %-20s kith %-13s %6.2f | %s" % (name, isa, ns["kith"], " | ".join(words)),
              flush=True)
    return missed, lost


def main():
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--loops", required=True, help="the module of peer_loops.c")
    parse.add_argument("--hnswlib", help="the shared object of hnswlib_kernels.cc")
    parse.add_argument("--blas", default="libopenblas.so.0")
    parse.add_argument("--rounds", type=int, default=11)
    parse.add_argument("--set-kb", type=int, default=1024, help="KB of rows in the gathers")
    parse.add_argument("--only", help="only cases whose name contains this")
    parse.add_argument("--core", type=int, help="the core to stay on; by default the last one")
    options = parse.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    core = cores[-1] if options.core is None else options.core
    peers = Peers(options.loops, options.hnswlib)
    os.sched_setaffinity(0, {core})
    print("%s; core %d, %d rounds, medians" % (", ".join(peers.versions), core, options.rounds))
    missed, lost = gathers(peers, options.set_kb << 10, options.rounds, options.only)
    tile_missed, tile_lost = tiles(peers, options.blas, options.rounds, options.only)
    for words, cases in (("gates missed", missed + tile_missed),
                         ("slower than a peer", lost + tile_lost)):
        print("%s: %s" % (words, "; ".join(cases) if cases else "none"))
    return 1 if missed or tile_missed else 0


if __name__ == "__main__":
    sys.exit(main())
