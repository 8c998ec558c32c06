#!/bin/sh
# test_opencl_rules.sh - the OpenCL programs keep the rules that no compiler tells: no barrier
# under an if, an else or a switch, in a kernel or in a function that holds one, nor behind ?, &&
# or ||; no return in a function with a barrier, and no break or continue in a loop with one; no
# such loop whose head depends on the work-item; a fixed size of group for every kernel; no do, no
# goto, no printf; nothing beyond the core of OpenCL C 1.2.
#
# usage: test_opencl_rules.sh SOURCE BUILD
#
# A CPU driver in wide use returns wrong neighbours where a barrier stands under an if, without an
# error, so the rules are stricter than the language. The files are read as they are, all branches
# of the preprocessor at once, and then as the preprocessor leaves them for each layout, where no
# macro hides a barrier.
set -eu
source=${1:?the root of the sources}

# Prints one line for each breach in the file given; prints nothing for a good one.
rules() {
    awk -f "$source/tests/opencl_rules.awk" "$1"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# The checker must be able to fail: each of these breaks one rule.
refuses() {
    cat > "$work/bad.cl"
    if [ -z "$(rules "$work/bad.cl")" ]; then
        echo "the rules do not see: $1"
        failed=1
    fi
}
sized='__attribute__((reqd_work_group_size(64, 1, 1)))'
refuses "a barrier in an if" <<END
__kernel $sized void k(uint n) { if (n > 1) { barrier(1); } }
END
refuses "a barrier in an if without braces" <<END
__kernel $sized void k(uint n) { if (n > 1) barrier(1); }
END
refuses "a barrier in an else" <<END
__kernel $sized void k(uint n) { if (n > 1) n++; else { n--; barrier(1); } }
END
refuses "a barrier in a loop in an if" <<END
__kernel $sized void k(uint n) { if (n > 1) for (uint i = 0; i < n; i++) { barrier(1); } }
END
refuses "a function with a barrier in an if" <<END
#define SYNC() barrier(1)
static void f(void) { SYNC(); }
static void g(void) { f(); }
__kernel $sized void k(uint n) { if (n > 1) { g(); } }
END
refuses "a return before a barrier" <<END
__kernel $sized void k(uint n) { if (n > 1) return; barrier(1); }
END
refuses "a break out of a loop with a barrier" <<END
__kernel $sized void k(uint n) { for (;;) { n--; if (n < 2) break; barrier(1); } }
END
refuses "a continue in a loop with a barrier" <<END
__kernel $sized void k(uint n) { for (; n; n--) { if (n == 2) { continue; } barrier(1); } }
END
refuses "a loop with a barrier whose length is the item's" <<END
__kernel $sized void k(uint n) {
    const uint own = (uint)get_local_id(0) + 1;
    for (uint i = 0; i < own; i++) barrier(1);
}
END
refuses "a loop that begins at the item" <<END
static void f(uint item, uint n) { for (uint i = item; i < n; i += 64) { n++; barrier(1); } }
__kernel $sized void k(uint n) { f((uint)get_local_id(0), n); }
END
refuses "a barrier behind &&" <<END
static bool f(void) { barrier(1); return true; }
__kernel $sized void k(uint n) { bool b = n > 1 && f(); }
END
refuses "a do" <<END
__kernel $sized void k(uint n) { do { n--; } while (n > 1); }
END
refuses "printf" <<END
__kernel $sized void k(uint n) { printf("%u", n); }
END
refuses "a kernel without a size" <<END
__kernel void k(uint n) { n++; }
END
cat > "$work/good.cl" <<END
static void f(uint n) { for (uint i = 0; i < n; i++) { if (i > 2) n--; barrier(1); } }
static void g(uint item, uint n) { for (uint i = item; i < n; i++) { if (i > 9) break; n--; } }
static uint h(uint n) { switch (n) { case 1: n++; break; default: n--; } return n; }
__kernel $sized void k(uint n) {
    const uint item = (uint)get_local_id(0);
    if (n > 1) { n++; } else n--;
    f(n); /* if (n) barrier */
    for (uint i = 0; i < n && n < 9; i++) { g(item, n); barrier(1); h(item > 1 ? n : 2); }
    for (uint i = item; i < n; i++) n--;
    barrier(1);
}
END
if [ -n "$(rules "$work/good.cl")" ]; then
    echo "the rules refuse a good program:"
    rules "$work/good.cl"
    failed=1
fi

for file in "$source"/opencl/*.cl; do
    breaches=$(rules "$file")
    if [ -n "$breaches" ]; then
        echo "$file:"
        echo "$breaches"
        failed=1
    fi
    if grep -n 'cl_khr_\|sub_group\|atom_\|half' "$file" | grep -v '^[0-9]*: \*'; then
        echo "$file uses more than the core of OpenCL C 1.2"
        failed=1
    fi
done

# One program of each kernel and layout, of floats and of bits, as its compiler sees it.
programs=0
mkdir "$work/programs"
sh "$source/tests/opencl_variants.sh" "$source" "$work/programs" >"$work/all" || exit 1
grep -v -e 'TYPE=[12346]' -e 'TYPE=0 -DMETRIC=[12]' -e 'METRIC=4' -e 'Q=[248]' "$work/all" |
    cut -d ' ' -f 2- | sort -u >"$work/list"
while read -r file options; do
    # shellcheck disable=SC2086 # the options are words
    ${CC:-cc} -E -P -x c $options -o "$work/plain.cl" "$work/programs/$file" ||
        { echo "$file $options"; exit 1; }
    grep -q '__kernel' "$work/plain.cl" || { echo "$file $options has no kernel"; failed=1; }
    breaches=$(rules "$work/plain.cl")
    if [ -n "$breaches" ]; then
        echo "$file $options:"
        echo "$breaches"
        failed=1
    fi
    programs=$((programs + 1))
done <"$work/list"
[ "$programs" -gt 10 ] || { echo "only $programs programs were found"; failed=1; }
exit $failed
