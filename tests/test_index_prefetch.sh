#!/bin/sh
# The object files of the walk and of the ranking hold the prefetches that their sources ask for.
#
#     test_index_prefetch.sh SOURCE BUILD
#
# What no run shows but by being slow: GCC takes a function that does nothing but prefetch for one
# without effect and deletes its calls, unless they are inlined. So the instructions are counted in
# the functions that matter: in the objects of this build, and in those of an optimised one for Arm
# where its compiler is there. Skipped where there is no objdump for this processor.
set -u
source=$1
build=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/kith-prefetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
failures=0

# OBJDUMP OBJECT INSTRUCTION: how many each function holds.
count() {
    "$1" -d --no-show-raw-insn "$2" | awk -v wanted="$3" '
        /^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]|\..*/, "", name) }
        $2 ~ wanted { n[name]++ }
        END { for (name in n) print name, n[name] }'
}

# WHO LEAST FUNCTIONS: a static function may have become part of its caller.
wants() {
    n=$(awk -v names="^($3)$" '$1 ~ names { n += $2 } END { print n + 0 }' "$work/counts")
    [ "$n" -ge "$2" ] && return
    echo "FAILED: $1: $n prefetches in $3, not $2"
    failures=$((failures + 1))
}

check() { # WHO OBJDUMP INSTRUCTION WALK.o RANK.o
    count "$2" "$4" "$3" >"$work/counts"
    wants "$1" 1 ki_walk_open              # the links of the next candidate, before the hop
    wants "$1" 1 'admit|ki_walk_close'     # and after it
    wants "$1" 2 ki_walk_open_ahead        # two lines of each row
    count "$2" "$5" "$3" >"$work/counts"
    wants "$1" 1 'ask_for_row|ki_ranker_rank'
}

object() { # NAME.c
    find "$build" -name "$1.o" -path '*kith_objects*' | head -n 1
}

case $(uname -m) in
x86_64) instruction='^prefetch' ;;
aarch64) instruction='^prfm' ;;
*) echo "skipped: not x86-64 or aarch64"; exit 77 ;;
esac
command -v objdump >/dev/null || { echo "skipped: no objdump"; exit 77; }
[ -n "$(object walk.c)" ] || { echo "FAILED: no object of index/walk.c under $build"; exit 1; }
check "$(uname -m)" objdump "$instruction" "$(object walk.c)" "$(object rank.c)"

arm=aarch64-linux-gnu
if command -v $arm-gcc >/dev/null && command -v $arm-objdump >/dev/null; then
    cd "$source" || exit 1
    for file in walk rank; do
        $arm-gcc -std=gnu17 -O3 -ffp-contract=off -D_GNU_SOURCE -I. -Iinclude \
            -c index/$file.c -o "$work/$file.o" || exit 1
    done
    check "aarch64 (cross)" $arm-objdump '^prfm' "$work/walk.o" "$work/rank.o"
fi
[ $failures = 0 ] || exit 1
echo "prefetches are where they should be"
