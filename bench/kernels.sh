#!/bin/sh
# Measures the distance kernels and prints how much faster one call for many rows is than a loop.
#
#     sh bench/kernels.sh [--benchmark_... flags]
#
# Installs what is missing, builds build/bench/kith-bench-kernels (Google Benchmark), runs it with
# nine repetitions of every kernel in random order, and prints the median and the least nanoseconds
# of a distance, and the ratios pair loop : gather of both; above 1, gather is faster. All numbers
# come from one run. On a busy machine trust the least more than the median, and the ratios more
# than either. Flags go to Google Benchmark after this script's own; the whole result stays in
# build/bench/kernels.json.
set -eu
. "$(dirname "$0")/../tests/setup.sh"

install libbenchmark-dev g++
build=$KITH_ROOT/build/bench
json=$build/kernels.json
# shellcheck disable=SC2046 # the options are words
cmake -S "$KITH_ROOT" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release $(options) \
    -DKITH_BENCH=ON -DKITH_TESTS=OFF -DKITH_TOOL=OFF -DKITH_INSTALL=OFF >/dev/null
log=$build/kernels.log
cmake --build "$build" --target bench_kernels >"$log" || { cat "$log" >&2; exit 1; }
shapes='(pairloop|gather|gather_prefetch2)'
rows='(f32|f16|bf16|u8|i8)'
"$build/kith-bench-kernels" --benchmark_filter="^$shapes/l2sq/$rows/[^/]*/(128|768)/(L2|DRAM)\$" \
    --benchmark_repetitions=9 --benchmark_min_time=0.02 \
    --benchmark_enable_random_interleaving=true \
    --benchmark_out="$json" --benchmark_out_format=json "$@" >/dev/null

awk '
    function value(line) { sub(/^[^:]*: */, "", line); gsub(/[",]/, "", line); return line + 0 }
    function word(line) { sub(/^[^:]*: *"/, "", line); sub(/",?$/, "", line); return line }
    /"run_name":/ { name = word($0); aggregate = "" }
    /"aggregate_name":/ { aggregate = word($0) }
    /"error_message":/ { absent[name] = word($0) }
    /"ns_per_distance":/ {
        split(name, part, "/")
        row = part[2] "/" part[3] "/" part[4] "/" part[5] "/" part[6]
        place[row] = part[2] part[3] part[6] sprintf("%06d", part[5]) part[4]
        at = part[1] SUBSEP row
        ns = value($0)
        if (aggregate == "median") median[at] = ns
        if (aggregate == "" && (!(at in least) || ns < least[at])) least[at] = ns
    }
    function cells(shape, row,   at) {
        at = shape SUBSEP row
        return at in median ? sprintf("%8.2f %8.2f", median[at], least[at]) : sprintf("%17s", "-")
    }
    function ratios(shape, row,   at, pair) {
        at = shape SUBSEP row
        pair = "pairloop" SUBSEP row
        if (!(at in median) || !(pair in median)) return sprintf("%11s", "-")
        return sprintf("%5.2f %5.2f", median[pair] / median[at], least[pair] / least[at])
    }
    END {
        title = "%-28s %17s %17s %11s %17s %11s\n"
        printf title, "ns a distance: median, least", "pairloop", "gather", "ratios", "prefetch2",
               "ratios"
        fflush() # the lines below leave through sort
        in_order = "sort | cut -f 2"
        for (row in place)
            print place[row] "\t" sprintf("%-28s", row), cells("pairloop", row),
                  cells("gather", row), ratios("gather", row), cells("gather_prefetch2", row),
                  ratios("gather_prefetch2", row) | in_order
        close(in_order)
        for (name in absent) print "not run: " name ": " absent[name]
    }' "$json"
