#!/bin/sh
# Graphs are the same bytes on emulated Arm as here, on every instruction set, for any threads.
#
#     test_index_digest_qemu.sh SOURCE BUILD
#
# Property: graph_digests prints the same lines on this machine (scalar and best, one thread and
# three) and, cross-compiled for aarch64 as far as an index needs, on an Arm processor with NEON
# and on one with the dot product. Floats are linked by their codes of 8 bits. The same of what is
# learnt for sketches. What runs here is compared even where the cross compiler or the emulator is
# missing; then the rest is skipped.
set -eu
source=$1 build=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/kith-digest.XXXXXX")
trap 'rm -rf "$work"' EXIT

same() { # WHO COMMAND...: prints what the first one printed
    who=$1
    shift
    for last in "$@"; do :; done
    timeout 250 "$@" >"$work/now" || { echo "$who: $(cat "$work/now")"; exit 1; }
    [ -f "$work/first" ] || cp "$work/now" "$work/first"
    [ -s "$work/now" ] || { echo "$who prints nothing"; exit 1; }
    if [ "$last" = brief ]; then # every third of the lines
        grep -vxFf "$work/first" "$work/now" >"$work/odd" || [ $? -eq 1 ]
    else
        diff "$work/first" "$work/now" >"$work/odd" || [ $? -eq 1 ]
    fi
    cat "$work/odd"
    [ ! -s "$work/odd" ] || { echo "$who differs from scalar, 1 thread"; exit 1; }
    echo "$who: $(grep -c . "$work/now") graphs and sketches, the same"
}
same "scalar, 1 thread" "$build/tests/graph_digests" scalar 1
same "best, 1 thread" "$build/tests/graph_digests" best 1
same "best, 3 threads" "$build/tests/graph_digests" best 3

cc=aarch64-linux-gnu-gcc
for tool in $cc qemu-aarch64; do
    command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
[ -f /usr/include/xxhash.h ] || { echo "skipped: no xxhash.h"; exit 77; }
mkdir "$work/include"
cp /usr/include/xxhash.h "$work/include" # inlined: there is no library for the other machine
flags="-std=gnu17 -O2 -ffp-contract=off -D_GNU_SOURCE -DXXH_INLINE_ALL -DKI_HAVE_NEON
       -DKI_HAVE_DOTPROD -I. -Iinclude -isystem $work/include"
cd "$source"
compile() { # FILE [flags]: one object beside the others
    file=$1
    shift
    # shellcheck disable=SC2086 # flags are words
    $cc $flags "$@" -c "$file" -o "$work/$(basename "$file" .c).o"
}
for file in kernels/*.c kv/*.c index/*.c opencl/without.c tests/graph_digests.c; do
    compile "$file"
done
compile kv/arena.c -Dsysconf=little_sysconf # see graph_digests.c
compile cpu/scalar.c
compile cpu/neon.c -O3
compile cpu/dotprod.c -O3 -march=armv8.2-a+dotprod
$cc -static "$work"/*.o -lm -lpthread -o "$work/graph_digests"

ulimit -v 8000000 # kilobytes: an emulator that wants more is to fail, not to fill the machine
same "neon, 1 thread" qemu-aarch64 -cpu cortex-a53 "$work/graph_digests" best 1
same "neon, 2 threads" qemu-aarch64 -cpu cortex-a72 "$work/graph_digests" best 2 brief
same "dotprod, 1 thread" qemu-aarch64 -cpu neoverse-n1 "$work/graph_digests" best 1
