#!/bin/sh
# The object files of the kernels hold the instructions that they should, and no others.
#
#     test_kernels_object_code.sh SOURCE BUILD
#
# What no run on one machine can show: that portable objects carry no AVX register, that each file
# of cpu/ gives away one symbol and runs nothing before main(), that the compiler kept the
# prefetching of every gather, and that hot loops use the widest registers and the instruction they
# were written for, and keep their sums out of memory. Skipped on other processors than x86-64 and
# where binutils are missing.
set -u
source=$1
build=$2
[ "$(uname -m)" = x86_64 ] || { echo "skipped: not x86-64"; exit 77; }
for tool in objdump nm; do
    command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/kith-objects.XXXXXX")
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

object() { # NAME.c: its object in the build folder
    find "$build" -name "$1.o" -path '*kith_objects*' | head -n 1
}

code() { # NAME.c: its disassembly, made once
    [ -f "$work/$1" ] || objdump -d --no-show-raw-insn "$(object "$1")" >"$work/$1"
    echo "$work/$1"
}

count() { # PATTERN NAME.c: instructions that match
    grep -c -E "$1" "$(code "$2")"
}

# Without which nothing below means anything.
[ -n "$(object scalar.c)" ] || { echo "FAILED: no object of cpu/scalar.c under $build"; exit 1; }

for file in "$source"/kernels/*.c "$source/cpu/scalar.c"; do
    file=$(basename "$file")
    [ -n "$(object "$file")" ] || { fail "no object of $file"; continue; }
    n=$(count '%[yz]mm|%[xyz]mm(1[6-9]|2[0-9]|3[01])' "$file")
    [ "$n" = 0 ] || fail "$file is portable but uses ymm or zmm registers $n times"
done

# Every gather must ask for its rows, and the innermost loops that multiply must not hold their sums
# in memory: that is two stack accesses a multiplication, where a spilled register costs one or two
# in all. A loop is a jump to an address that was already seen.
cat >"$work/loops.awk" <<'AWK'
function finish(   i, j, inner, hot, stack) {
    if (name ~ /gather/ && !prefetches)
        print name " has lost its prefetching"
    for (i = 0; i < loops; i++) {
        inner = 1
        for (j = 0; j < loops; j++)
            if (j != i && from[j] >= from[i] && to[j] <= to[i])
                inner = 0
        hot = stack = 0
        for (j = from[i]; inner && j <= to[i]; j++) {
            if (text[j] ~ /vfmadd|vpmadd|vpdpbusd|vpopcnt|dpbf16ps|vpsadbw|\ttdp/)
                hot++
            if (text[j] ~ /mm[0-9]/ && text[j] ~ /\(%rsp|-0x[0-9a-f]+\(%rbp\)/)
                stack++
        }
        if (hot && stack > hot)
            print name " has a loop of " hot " multiplications and " stack " stack accesses"
    }
}
/^[0-9a-f]+ <.*>:$/ { finish(); name = $2; n = loops = prefetches = 0; split("", line); next }
/^ +[0-9a-f]+:/ {
    address = $1
    sub(":", "", address)
    line[address] = ++n
    text[n] = $0
    if ($2 ~ /^prefetch/)
        prefetches++
    if ($2 ~ /^j/ && $3 in line) {
        from[loops] = line[$3]
        to[loops++] = n
    }
}
END { finish() }
AWK

# What a compiler may call by itself, hardened distributions included; a kernel calls nothing.
known='^(ki_.*|(__)?(memcpy|memset|memmove)(_chk)?|sqrt|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$'
check_isa() { # NAME: of a file of cpu/
    o=$(object "$1.c")
    [ -n "$o" ] || { fail "no object of cpu/$1.c: the compiler can make it"; return; }
    symbols=$(nm --defined-only --extern-only "$o" | awk '{ print $3 }' | tr '\n' ' ')
    [ "$symbols" = "ki_fill_$1 " ] || fail "cpu/$1.c exports: $symbols"
    if objdump -h "$o" | grep -q -E '\.(init_array|ctors|preinit_array)'; then
        fail "cpu/$1.c runs code before main()"
    fi
    if nm "$o" | grep -q -E ' [BbDd] '; then
        fail "cpu/$1.c has variables"
    fi
    unknown=$(nm --undefined-only "$o" | awk '{ print $2 }' | grep -v -E "$known" | tr '\n' ' ')
    [ -z "$unknown" ] || fail "cpu/$1.c calls: $unknown"
    awk -f "$work/loops.awk" "$(code "$1.c")" >"$work/complaints"
    while read -r complaint; do
        fail "cpu/$1.c: $complaint"
    done <"$work/complaints"
}
for file in "$source"/cpu/*.c; do
    isa=$(basename "$file" .c)
    case $isa in
    neon | dotprod | armbf16 | i8mm | sve) ;; # of another processor
    *) check_isa "$isa" ;;
    esac
done

wants() { # ISA PATTERN LEAST WHAT
    [ -n "$(object "$1.c")" ] || return
    n=$(count "$2" "$1.c")
    [ "$n" -ge "$3" ] || fail "cpu/$1.c: $n $4"
}
wants avx2 'vfmadd.*%ymm' 100 'ymm multiply-adds'
wants avx2 'vpmaddwd.*%ymm' 50 'ymm integer multiply-adds'
wants avx2 'vcvtph2ps.*%ymm' 8 'ymm conversions from f16'
wants avxvnni 'vpdpbusd.*%ymm' 50 'ymm byte dot products'
wants avx512 'vfmadd.*%zmm' 100 'zmm multiply-adds'
wants avx512 'vpmaddwd.*%zmm' 50 'zmm integer multiply-adds'
wants avx512 'vcvtph2ps.*%zmm' 8 'zmm conversions from f16'
wants avx512vnni 'vpdpbusd.*%zmm' 50 'zmm byte dot products'
wants avx512popcnt 'vpopcntq.*%zmm' 16 'zmm bit counts'
wants avx512bf16 'vdpbf16ps.*%zmm' 16 'zmm bf16 dot products'
wants amx 'tdpbuud' 4 'tile products of u8'
wants amx 'tdpbssd' 4 'tile products of i8'
wants amx 'tdpbf16ps' 4 'tile products of bf16'

forbids() { # ISA PATTERN WHAT
    [ -n "$(object "$1.c")" ] || return
    n=$(count "$2" "$1.c")
    [ "$n" = 0 ] || fail "cpu/$1.c uses $3 $n times"
}
beyond='vpdpbusd|vpopcnt|dpbf16ps|\ttdp|\ttile|%tmm'
forbids avx2 "%zmm|%k[1-7]|$beyond" 'more than AVX2'
forbids avxvnni "%zmm|%k[1-7]|vpopcnt|dpbf16ps|\ttdp|%tmm" 'more than AVX-VNNI'
forbids avx512 "$beyond" 'more than AVX-512 core'
forbids avx512vnni 'vpopcnt|dpbf16ps|\ttdp|%tmm' 'more than VNNI'
forbids avx512popcnt 'vpdpbusd|dpbf16ps|\ttdp|%tmm' 'more than VPOPCNTDQ'
forbids avx512bf16 'vpdpbusd|vpopcnt|\ttdp|%tmm' 'more than AVX512_BF16'

[ $failures = 0 ] && echo "object code is as it should be"
