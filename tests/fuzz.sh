#!/bin/sh
# fuzz.sh - fuzzes the opening and use of store files with libFuzzer.
#
#     sh tests/fuzz.sh [seconds]     120 unless said otherwise
#
# Needs clang; installs it when it is missing. Builds in build/fuzz, starts from the inputs in
# tests/corpus/store and keeps what it finds in build/fuzz/found. An input that fails is left in
# build/fuzz and named. Afterwards the inputs that reach anything new are merged into
# build/fuzz/least, from where a useful few may be added to tests/corpus/store.
set -eu
. "$(dirname "$0")/setup.sh"

seconds=${1-120}
install clang
command -v clang >/dev/null 2>&1 || die "clang is needed to fuzz"
build=$KITH_ROOT/build/fuzz
mkdir -p "$build/found" "$build/least"
cd "$KITH_ROOT"
say "building build/fuzz"
# A search on the scalar kernels, which the sanitizers see best.
searched="kernels/*.c cpu/scalar.c"
for part in again build checks codes draft graph graph_codes link mates prune reduce validate walk \
    widen workers api_codec api_codes api_store; do
    searched="$searched index/$part.c"
done
# shellcheck disable=SC2086 # the files are words
# shellcheck disable=SC2046 # the flags are words
clang -std=gnu17 -O1 -g -D_GNU_SOURCE -I. -Iinclude \
    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
    tests/fuzz_store.c tests/sim_vfs.c tests/sim_power.c kv/*.c $searched \
    $(pkg-config --cflags --libs libxxhash) -lpthread -lm -o "$build/fuzz_store"
cd "$build"
./fuzz_store -max_total_time="$seconds" -max_len=16384 -timeout=20 -rss_limit_mb=4096 \
    -print_final_stats=1 found "$KITH_ROOT/tests/corpus/store" 2>"$build/fuzz.log" || {
    tail -n 60 "$build/fuzz.log" >&2
    die "an input failed; it lies in $build"
}
grep -E 'stat::number_of_executed_units|stat::average_exec|cov:' "$build/fuzz.log" | tail -n 3
./fuzz_store -merge=1 least found "$KITH_ROOT/tests/corpus/store" 2>>"$build/fuzz.log"
say "$(find least -type f | wc -l) inputs reach all that was reached; they are in build/fuzz/least"
