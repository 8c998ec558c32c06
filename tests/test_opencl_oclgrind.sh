#!/bin/sh
# test_opencl_oclgrind.sh - Oclgrind, which runs OpenCL programs step by step, finds no data race,
# no access out of bounds and no barrier that only a part of a group reaches, in any kernel; and
# the answers are right there too, on a driver that shares nothing with the others.
#
# usage: test_opencl_oclgrind.sh SOURCE BUILD
#
# Without Oclgrind the test is skipped. Its exit status tells nothing, so its log must be empty, but
# for one race that is meant: scan.cl says why a bound may be read while another group lowers it.
#
# Tried and lost: --uninitialized. What a fill has written counts as never written there, and with
# that mended kernels of several groups still read zeros where there is data, and only then.
set -eu
source=${1:?the root of the sources}
build=${2:?the build directory}
library=/usr/lib/oclgrind/liboclgrind-rt.so
[ -e "$library" ] && command -v oclgrind-kernel >/dev/null 2>&1 ||
    { echo "Oclgrind is not here"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# It must be able to object: to two items that write one word, and to a write behind a buffer.
cat >"$work/bad.cl" <<'END'
kernel void race(global uint *a) { a[0] = (uint)get_global_id(0); }
kernel void beyond(global uint *a) { a[get_global_id(0) + 1] = 1; }
kernel void parted(global uint *a) { if (get_local_id(0) > 1) barrier(1); a[get_local_id(0)] = 1; }
kernel void good(global uint *a) { a[get_local_id(0)] = 1; }
END
for kernel in race beyond parted good; do
    printf 'bad.cl\n%s\n4 1 1\n4 1 1\n<size=16 fill=0>\n' $kernel >"$work/$kernel.sim"
    (cd "$work" && oclgrind-kernel --data-races --log $kernel.log $kernel.sim >/dev/null 2>&1) || :
    if [ $kernel = good ] && [ -s "$work/$kernel.log" ]; then
        echo "Oclgrind objects to a good kernel:"
        cat "$work/$kernel.log"
        exit 1
    elif [ $kernel != good ] && [ ! -s "$work/$kernel.log" ]; then
        echo "Oclgrind does not see what is wrong with the kernel $kernel"
        exit 1
    fi
done

# What is left of a log.
cat >"$work/unmeant.awk" <<'END'
BEGIN { RS = "" }
/^Read-write data race/ && /\.bound_key = .*bounds\[q\]/ && /atomic_min\(&bounds\[q\],/ { next }
{ print $0 "\n" }
END

# run NAME: the tests of opencl_small whose name matches.
cat >"$work/run.sh" <<END
KITH_OPENCL_LIBRARY=$library KITH_TEST_ONLY=\$1 OCLGRIND_DATA_RACES=1 \\
    OCLGRIND_MAX_ERRORS=100000 OCLGRIND_LOG="\$1.log" "$build/tests/opencl_small" \\
    >"\$1.out" 2>&1 && grep -q '\[       OK \]' "\$1.out" || failed=1
[ ! -s "\$1.log" ] || awk -f unmeant.awk "\$1.log" >"\$1.races"
[ -z "\${failed-}" ] && [ ! -s "\$1.races" ] && exit
echo "opencl_small \$1:"
cat "\$1.out" "\$1.races" 2>&1 | head -n 60
exit 1
END
grep -o 'cmocka_unit_test([a-z_]*' "$source/tests/opencl_small.c" | cut -d '(' -f 2 >"$work/names"
[ -s "$work/names" ] || { echo "opencl_small.c has no tests"; exit 1; }
cd "$work"
xargs -L 1 -P "$(nproc)" sh run.sh <names
