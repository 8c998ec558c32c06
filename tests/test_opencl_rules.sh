#!/bin/sh
# The OpenCL programs keep the rules that no compiler tells: no barrier under an if, an else or a
# switch, in a kernel or in a function that holds one; no return in a function with a barrier; a
# fixed size of group for every kernel; no printf; nothing beyond the core of OpenCL C 1.2. Where
# clang is installed, the program must also compile without a warning, with its own defaults, and
# in each layout for every type and metric.
#
# usage: test_opencl_rules.sh SOURCE BUILD
set -eu
source=${1:?the root of the sources}

# Prints one line for each breach in the file given; prints nothing for a good one.
rules() {
    awk '
    # Comments, preprocessor lines and strings hold no code.
    {
        line = $0
        if (continued || line ~ /^[ \t]*#/) {
            continued = (line ~ /\\$/)
            if (line ~ /^[ \t]*#[ \t]*define/ && line ~ /barrier[ \t]*\(/) {
                name = line
                sub(/^[ \t]*#[ \t]*define[ \t]+/, "", name)
                sub(/[^A-Za-z0-9_].*/, "", name)
                carries[name] = 1
            }
            line = ""
        }
        text = text line "\n"
    }
    END {
        carries["barrier"] = 1
        carries["work_group_barrier"] = 1
        while ((at = index(text, "/*")) > 0) {
            rest = substr(text, at + 2)
            text = substr(text, 1, at - 1) " " substr(rest, index(rest, "*/") + 2)
        }
        gsub(/\/\/[^\n]*/, "", text)
        count = 0
        while (match(text, /[A-Za-z_][A-Za-z0-9_]*|[0-9][A-Za-z0-9_.]*|[^ \t\n]/)) {
            token[++count] = substr(text, RSTART, RLENGTH)
            text = substr(text, RSTART + RLENGTH)
        }
        # A function that calls one with a barrier holds a barrier: repeat until nothing is new.
        do {
            new = 0
            walk(0)
        } while (new)
        walk(1)
    }
    # Walks the tokens once. kind[d] is 1 when block d, or one around it, is conditional; bare is 1
    # in the single statement of an if without braces.
    function walk(report,   i, t, depth, paren, bare, expect, function_name, last, kernel, sized) {
        depth = paren = bare = expect = kernel = sized = 0
        kind[0] = 0
        for (i = 1; i <= count; i++) {
            t = token[i]
            if (t == "(") {
                paren++
                if (depth == 0 && paren == 1 && token[i - 1] != "__attribute__")
                    function_name = token[i - 1]
            } else if (t == ")") {
                paren--
                if (paren == 0 && expect == 1)
                    expect = 2
            } else if (t == "{") {
                depth++
                kind[depth] = kind[depth - 1] || bare || expect == 2
                if (depth == 1 && report && kernel && !sized)
                    print function_name ": a kernel without reqd_work_group_size"
                expect = bare = 0
                continue
            } else if (t == "}") {
                depth--
                if (depth == 0)
                    kernel = sized = 0
            } else if (t == ";" && paren == 0) {
                bare = 0
                if (depth == 0)
                    kernel = sized = 0
            } else if (t == "if" || t == "switch") {
                expect = 1
                continue
            } else if (t == "else") {
                expect = 2
                continue
            } else if (t == "__kernel" || t == "kernel") {
                kernel = 1
            } else if (t == "reqd_work_group_size") {
                sized = 1
            } else if (report && t == "printf") {
                print function_name ": printf"
            } else if (depth > 0 && t == "return" && report && carries[function_name]) {
                print function_name ": a return in a function with a barrier"
            } else if (depth > 0 && carries[t]) {
                if (!carries[function_name]) {
                    carries[function_name] = 1
                    new = 1
                }
                if (report && (kind[depth] || bare || expect == 2))
                    print function_name ": " t " under a condition"
            }
            if (expect == 2 && t != ")")
                { bare = 1; expect = 0 }
        }
    }' "$1"
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
refuses "a kernel without a size" <<END
__kernel void k(uint n) { n++; }
END
cat > "$work/good.cl" <<END
static void f(uint n) { for (uint i = 0; i < n; i++) { if (i > 2) n--; barrier(1); } }
__kernel $sized void k(uint n) { if (n > 1) { n++; } else n--; f(n); /* if (n) barrier */ }
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

lint() {
    clang -x cl -cl-std=CL1.2 -Xclang -finclude-default-header -Wall -Wextra -Werror \
        -Wno-unused-parameter -fsyntax-only "$@" || failed=1
}
if command -v clang > /dev/null; then
    cat "$source/opencl/elements.cl" "$source/opencl/scan.cl" > "$work/scan.cl"
    lint "$work/scan.cl"
    for kind in 0:0 0:1 0:2 1:0 1:1 1:2 2:0 2:1 2:2 3:0 3:1 3:2 4:0 4:1 4:2 5:3 5:4 \
        6:0 6:1 6:2 7:0 7:1 7:2; do
        kind="-DTYPE=${kind%:*} -DMETRIC=${kind#*:}"
        lint $kind -DQ=1 -DLANES=16 -DGROUP=1 -DBLOCK=16 "$work/scan.cl"
        lint $kind -DQ=8 -DPART=1 "$work/scan.cl"
    done
    lint -DPART=2 "$work/scan.cl"
else
    echo "clang is not installed: the programs were not compiled here"
fi
exit $failed
