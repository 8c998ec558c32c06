#!/bin/sh
# fuzz.sh - fuzzes the opening and use of store files, and of graph files beside a store.
#
#     sh tests/fuzz.sh [seconds]     120 unless said otherwise, half of them for each
#
# Needs clang, whose libFuzzer it uses; installs it when it is missing. Builds in build/fuzz, starts
# from the inputs in tests/corpus/store and tests/corpus/graph, and keeps what it finds in
# build/fuzz/found-store and found-graph. An input that fails is left in build/fuzz and named.
# Afterwards the inputs that reach anything new are merged into build/fuzz/least-store and
# least-graph, from where a useful few may be added to tests/corpus.
set -eu
. "$(dirname "$0")/setup.sh"

seconds=${1-120}
install clang
command -v clang >/dev/null 2>&1 || die "clang is needed to fuzz"
build=$KITH_ROOT/build/fuzz
mkdir -p "$build/objects"
cd "$KITH_ROOT"

# The library on the scalar kernels, which the sanitizers see best, and without OpenCL. A float that
# no integer can hold must not become one, whatever somebody wrote as a codec.
flags="-std=gnu17 -O1 -g -D_GNU_SOURCE -I. -Iinclude -fsanitize=address,undefined
    -fsanitize=float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer
    $(pkg-config --cflags libxxhash)"

# compile: the files of its standard input, several at a time; make would know what is old, but
# headers are many and this takes a minute.
compile()
{
    # shellcheck disable=SC2016 # the inner shell is to expand it
    KITH_FLAGS=$flags xargs -P "$(nproc)" -I '{}' sh -c '
        clang $KITH_FLAGS -fsanitize=fuzzer-no-link -c "$1" \
            -o "build/fuzz/objects/$(basename "$1" .c).o"' sh '{}'
}

say "building build/fuzz"
for source in kv/*.c kernels/*.c index/*.c cpu/scalar.c opencl/without.c tests/sim_vfs.c \
    tests/sim_power.c tests/fuzz_input.c tests/fuzz_store.c tests/fuzz_graph.c \
    tests/fuzz_graph_world.c; do
    echo "$source"
done | compile

# fuzz NAME OBJECT...: links the target and runs it.
fuzz()
{
    name=$1
    corpus=$KITH_ROOT/tests/corpus/$name
    others=
    for object in "$build"/objects/*.o; do
        case $object in
        */fuzz_store.o | */fuzz_graph.o | */fuzz_graph_world.o) ;;
        *) others="$others objects/${object##*/}" ;;
        esac
    done
    shift
    mkdir -p "$build/found-$name" "$build/least-$name"
    cd "$build"
    # shellcheck disable=SC2086,SC2046 # words
    clang -fsanitize=fuzzer,address,undefined "$@" $others \
        $(pkg-config --libs libxxhash) -lpthread -lm -o "fuzz_$name"
    say "fuzzing $name files for $((seconds / 2)) s"
    "./fuzz_$name" -max_total_time="$((seconds / 2))" -max_len=16384 -timeout=20 \
        -rss_limit_mb=4096 -print_final_stats=1 "found-$name" "$corpus" 2>"$name.log" || {
        tail -n 60 "$name.log" >&2
        die "an input failed; it lies in $build"
    }
    grep -E 'stat::number_of_executed_units|stat::average_exec|cov:' "$name.log" | tail -n 3
    "./fuzz_$name" -merge=1 "least-$name" "found-$name" "$corpus" 2>>"$name.log"
    say "$(find "least-$name" -type f | wc -l) inputs reach all that was reached; they are in" \
        "build/fuzz/least-$name"
}

fuzz store objects/fuzz_store.o
fuzz graph objects/fuzz_graph.o objects/fuzz_graph_world.o
