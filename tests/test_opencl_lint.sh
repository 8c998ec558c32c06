#!/bin/sh
# test_opencl_lint.sh - every OpenCL program that the library may build compiles without a warning,
# in each layout, for each type, metric and number of queries: a driver's own compiler tells nobody
# of a number cut short, and a type that only some device is asked for is not tried on this one.
#
# usage: test_opencl_lint.sh SOURCE BUILD
#
# Nothing is run, so clang is enough; without it the test is skipped.
set -eu
source=${1:?the root of the sources}
command -v clang >/dev/null 2>&1 || { echo "clang is not here"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# lint FILE OPTION...: unused parameters are those that some metric does not need.
cat >"$work/lint.sh" <<'END'
file=$1
shift
clang -x cl -cl-std=CL1.2 -Xclang -finclude-default-header -Wall -Wextra -Wconversion -Werror \
    -Wno-unused-parameter -fsyntax-only "$@" "$file" || { echo "$file $*"; exit 1; }
END

# It must be able to object, to a mistake and to a mere warning.
echo 'kernel void k(global uint *a) { a[0] = b; }' >"$work/bad.cl"
echo 'kernel void k(global uint *a, ulong b) { a[0] = b; }' >"$work/worse.cl"
for bad in bad worse; do
    if sh "$work/lint.sh" "$work/$bad.cl" >/dev/null 2>&1; then
        echo "clang accepts $bad.cl"
        exit 1
    fi
done

sh "$source/tests/opencl_variants.sh" "$source" "$work" >"$work/all" || exit 1
cut -d ' ' -f 2- "$work/all" | sort -u >"$work/programs"
count=$(wc -l <"$work/programs")
[ "$count" -gt 300 ] || { echo "only $count programs were found"; exit 1; }
cd "$work"
if ! xargs -L 1 -P "$(nproc)" sh lint.sh <programs >log 2>&1; then
    grep -E 'error:|warning:' log | sort | uniq -c | sort -rn | head -n 40
    grep '^[a-z]*\.cl -D' log | head -n 10
    exit 1
fi
echo "$count programs compile without a warning"
