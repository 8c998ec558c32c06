#!/bin/sh
# The NEON and dot-product kernels are right and found where they should be, on emulated Arm.
#
#     test_kernels_neon_qemu.sh SOURCE BUILD
#
# Cross-compiles the kernels and their checks (no cmocka there: kernels_on_qemu.c) for aarch64 and
# runs them under qemu as six processors: two with NEON alone, one with the dot product, three with
# SVE. All dimensions are gone through where the dot product is: every kernel of NEON is checked
# there too, and the emulator has the same instructions for it on each. Skipped where the cross
# compiler or the emulator is missing; with both there, anything wrong is a failure.
set -eu
source=$1
cc=aarch64-linux-gnu-gcc
for tool in $cc qemu-aarch64; do
    command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/kith-neon.XXXXXX")
trap 'rm -rf "$work"' EXIT

flags="-std=gnu17 -O2 -Wall -Wextra -Wconversion -Wshadow -Wundef -ffp-contract=off
       -D_GNU_SOURCE -DKI_HAVE_NEON -DKI_HAVE_DOTPROD
       -DKI_HAVE_ARMBF16 -DKI_HAVE_SVE -I. -Iinclude"
case $($cc -dumpversion) in
12*) flags="$flags -Werror" ;; # the compiler of this project; others may warn of more
esac
cd "$source"
compile() { # FILE [flags]: one object beside the others
    file=$1
    shift
    # shellcheck disable=SC2086 # flags are words
    $cc $flags "$@" -c "$file" -o "$work/$(basename "$file" .c).o"
}
for file in kernels/*.c tests/kernel_*.c tests/kernels_on_qemu.c; do
    compile "$file"
done
compile cpu/scalar.c -O3
compile cpu/neon.c -O3
compile cpu/dotprod.c -O3 -march=armv8.2-a+dotprod
compile cpu/armbf16.c -O3 -march=armv8.2-a+bf16
compile cpu/sve.c -O3 -march=armv8.2-a+sve
$cc -static "$work"/*.o -lm -o "$work/kernels_on_qemu"

run() { # MODEL LEVEL [brief]
    printf '%s: ' "$1"
    timeout 250 qemu-aarch64 -cpu "$1" "$work/kernels_on_qemu" "$2" ${3:-} || exit 1
}
run cortex-a53 neon brief
run cortex-a72 neon brief
run neoverse-n1 dotprod
run a64fx sve brief
run max,sve-default-vector-length=16 sve brief
run max,sve-default-vector-length=32 sve brief
