#!/bin/sh
# Measures Kith's store beside LMDB and SQLite, and holds the ratios against what is promised.
#
#     sh bench/store.sh [--benchmark_... flags]
#
# Installs what is missing, builds build/bench/bench_store (Google Benchmark), runs it with five
# repetitions of every benchmark in random order, and prints medians, ratios and, for each gate,
# whether it holds. Exits with 1 when one does not. Every commit of every store is synced, so this
# is as much about the disk as about the program: all numbers come from one run, the ratios tell
# more than the rates, and the files must be on a disk: KITH_BENCH_DIR says where (build/bench).
# Needs 5 GB there and some minutes; KITH_BENCH_ITEMS=100000 makes it shorter, and the gates on
# opening and recovery meaningless. Flags go to Google Benchmark after this script's own; the whole
# result stays in build/bench/store.json.
set -eu
. "$(dirname "$0")/../tests/setup.sh"

install libbenchmark-dev g++ liblmdb-dev libsqlite3-dev
build=$KITH_ROOT/build/bench
json=$build/store.json
# shellcheck disable=SC2046 # the options are words
cmake -S "$KITH_ROOT" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release $(options) \
    -DKITH_BENCH=ON -DKITH_TESTS=OFF -DKITH_TOOL=OFF -DKITH_INSTALL=OFF >/dev/null
log=$build/store.log
cmake --build "$build" --target bench_store >"$log" || { cat "$log" >&2; exit 1; }
KITH_BENCH_DIR=${KITH_BENCH_DIR:-$build} "$build/bench_store" --benchmark_repetitions=5 \
    --benchmark_enable_random_interleaving=true \
    --benchmark_out="$json" --benchmark_out_format=json "$@" >/dev/null

awk '
    function value(line) { sub(/^[^:]*: */, "", line); gsub(/[",]/, "", line); return line + 0 }
    function word(line) { sub(/^[^:]*: *"/, "", line); sub(/",?$/, "", line); return line }
    /"run_name":/ { name = word($0); aggregate = ""; split(name, part, "/")
                    at = part[1] "/" part[2] "/" part[3] }
    /"aggregate_name":/ { aggregate = word($0) }
    /"error_message":/ { absent[at] = word($0) }
    /"real_time":/ && aggregate == "median" { ns[at] = value($0) }
    /"(items_per_s|made_per_s|overhead)":/ && aggregate == "median" {
        key = $1
        gsub(/[":]/, "", key)
        counter[key, at] = value($0)
    }
    function rate(what, bytes, who,   at) {
        at = what "/" bytes "/" who
        return what == "get" ? (at in ns ? 1e9 / ns[at] : 0) : counter["items_per_s", at]
    }
    function over(a, b) { return b > 0 ? a / b : 0 }
    function row(what, bytes,   kith, lmdb, sqlite) {
        kith = rate(what, bytes, "kith")
        lmdb = rate(what, bytes, "lmdb")
        sqlite = rate(what, bytes, "sqlite")
        printf "%-9s %5d %12.0f %12.0f %12.0f %9.2f %9.2f\n", what, bytes, kith, lmdb, sqlite,
               over(kith, lmdb), over(kith, sqlite)
    }
    function gate(text, have, sign, want, known) {
        verdict = "MISSED"
        if (sign == ">=" ? have >= want : have <= want) verdict = "holds"
        if (!known) verdict = "not measured"
        missed += verdict == "MISSED"
        printf "%-52s %8.2f  (%s %s)  %s\n", text, have, sign, want, verdict
    }
    function put_gate(what, bytes, want,   kith, lmdb) {
        kith = rate(what, bytes, "kith")
        lmdb = rate(what, bytes, "lmdb")
        gate(what " of " bytes " bytes: times the rate of LMDB", over(kith, lmdb), ">=", want,
             kith && lmdb)
    }
    function get_gate(bytes,   kith, lmdb) {
        kith = ns["get/" bytes "/kith"]
        lmdb = ns["get/" bytes "/lmdb"]
        gate("get and touch of " bytes " bytes: of the time of LMDB", over(kith, lmdb), "<=", 0.5,
             kith && lmdb)
    }
    function space_gate(bytes, want,   at) {
        at = "space/" bytes "/kith"
        gate("space beyond keys and vectors of " bytes " bytes, %", counter["overhead", at], "<=",
             want, ("overhead", at) in counter)
    }
    function time_gate(text, at, want) {
        gate(text ", s", ns[at] / 1e9, "<=", want, at in ns)
    }
    END {
        printf "%-9s %5s %12s %12s %12s %9s %9s\n", "items/s", "bytes", "kith", "lmdb", "sqlite",
               "to lmdb", "to sqlite"
        for (i = 0; i < 2; i++) {
            bytes = i ? 3072 : 512
            row("put1000", bytes)
            row("put1", bytes)
            row("get", bytes)
            printf "%-9s %5d %11.1f%% %11.1f%% %11.1f%%\n", "overhead", bytes,
                   counter["overhead", "space/" bytes "/kith"],
                   counter["overhead", "space/" bytes "/lmdb"],
                   counter["overhead", "space/" bytes "/sqlite"]
        }
        print ""
        put_gate("put1000", 512, 3)
        put_gate("put1000", 3072, 2)
        put_gate("put1", 512, 1)
        put_gate("put1", 3072, 1)
        get_gate(512)
        get_gate(3072)
        space_gate(512, 12)
        space_gate(3072, 2.5)
        time_gate("opening a million items, closed properly", "open/512/kith", 0.3)
        time_gate("recovering a million log records", "recover/512/kith", 3)
        for (at in absent) print "not run: " at ": " absent[at]
        exit missed > 0
    }' "$json"
