#!/bin/sh
# The object files of the kernels hold the instructions that they should, and no others.
#
#     test_kernels_object_code.sh SOURCE BUILD
#
# What no run on one machine can show: that portable objects carry no AVX register, that each file
# of cpu/ gives away one symbol and runs nothing before main(), that the compiler kept the
# prefetching, and that hot loops use the widest registers and the instruction they were written
# for. Skipped on other processors than x86-64 and where binutils are missing.
set -u
build=$2
[ "$(uname -m)" = x86_64 ] || { echo "skipped: not x86-64"; exit 77; }
for tool in objdump nm; do
    command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

object() { # NAME.c: its object in the build folder
    find "$build" -name "$1.o" -path '*kith_objects*' | head -n 1
}

count() { # PATTERN OBJECT: instructions that match
    objdump -d --no-show-raw-insn "$2" | grep -c -E "$1"
}

# Without which nothing below means anything.
scalar=$(object scalar.c)
[ -n "$scalar" ] || { echo "FAILED: no object of cpu/scalar.c under $build"; exit 1; }

for file in scalar.c dispatch.c features.c reference.c; do
    o=$(object $file)
    [ -n "$o" ] || { fail "no object of $file"; continue; }
    n=$(count '%[yz]mm' "$o")
    [ "$n" = 0 ] || fail "$file is portable but uses ymm or zmm registers $n times"
done

# What a compiler may call by itself, hardened distributions included; a kernel calls nothing.
known='^(ki_.*|(__)?(memcpy|memset|memmove)(_chk)?|sqrt|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$'
for isa in scalar avx2 avx512 avx512vnni; do
    o=$(object $isa.c)
    [ -n "$o" ] || { fail "no object of cpu/$isa.c: the compiler can make it"; continue; }
    symbols=$(nm --defined-only --extern-only "$o" | awk '{ print $3 }' | tr '\n' ' ')
    [ "$symbols" = "ki_fill_$isa " ] || fail "cpu/$isa.c exports: $symbols"
    if objdump -h "$o" | grep -q -E '\.(init_array|ctors|preinit_array)'; then
        fail "cpu/$isa.c runs code before main()"
    fi
    if nm "$o" | grep -q -E ' [BbDd] '; then
        fail "cpu/$isa.c has variables"
    fi
    n=$(count 'prefetch' "$o")
    [ "$isa" = scalar ] || [ "$n" -ge 2 ] || fail "cpu/$isa.c lost its prefetching: $n instructions"
    unknown=$(nm --undefined-only "$o" | awk '{ print $2 }' | grep -v -E "$known" | tr '\n' ' ')
    [ -z "$unknown" ] || fail "cpu/$isa.c calls: $unknown"
done

wants() { # ISA PATTERN WHAT: at least eight of them
    o=$(object "$1.c")
    [ -n "$o" ] || return
    n=$(count "$2" "$o")
    [ "$n" -ge 8 ] || fail "cpu/$1.c: $n $3"
}
wants avx2 'vfmadd.*%ymm' 'ymm multiply-adds'
wants avx2 'vpmaddwd.*%ymm' 'ymm integer multiply-adds'
wants avx512 'vfmadd.*%zmm' 'zmm multiply-adds'
wants avx512 'vpmaddwd.*%zmm' 'zmm integer multiply-adds'
wants avx512vnni 'vpdpbusd.*%zmm' 'zmm byte dot products'

avx2=$(object avx2.c)
if [ -n "$avx2" ]; then
    n=$(count '%zmm|vpdpbusd' "$avx2")
    [ "$n" = 0 ] || fail "cpu/avx2.c uses AVX-512 $n times"
fi
avx512=$(object avx512.c)
if [ -n "$avx512" ]; then
    n=$(count 'vpdpbusd' "$avx512")
    [ "$n" = 0 ] || fail "cpu/avx512.c uses VNNI $n times"
fi

[ $failures = 0 ] && echo "object code is as it should be"
exit $((failures > 0))
