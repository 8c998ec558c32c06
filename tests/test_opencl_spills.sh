#!/bin/sh
# test_opencl_spills.sh - no kernel keeps in memory what it means to keep in registers: compiled for
# two kinds of AMD GPU, none spills a vector register and none has private memory. A sum that is
# spilled is read and written once a step, and no test of answers sees it; a loop unrolled too far
# is how it comes about.
#
# usage: test_opencl_spills.sh SOURCE BUILD
#
# The compiler alone tells, so no GPU is needed: clang 15 and the OpenCL library of LLVM. Without
# them the test is skipped. Which programs: the layout for GPUs, as many queries a pass as there
# are, one metric, and of the types the widest, the narrowest and the most laborious. gfx90a has 64
# lanes and many registers, gfx1100 has 32 and the least of them.
set -eu
source=${1:?the root of the sources}
library=/usr/lib/clc/amdgcn--amdhsa.bc
command -v clang-15 >/dev/null 2>&1 || { echo "clang-15 is not here"; exit 77; }
[ -e "$library" ] || { echo "$library is not here"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# spills CHIP FILE OPTION...: a line for each kernel that spills, with the registers it uses.
cat >"$work/spills.sh" <<SCRIPT
chip=\$1 file=\$2
shift 2
clang-15 -target amdgcn--amdhsa -mcpu="\$chip" -x cl -cl-std=CL1.2 -O3 -nogpulib \\
    -Wno-pass-failed -Xclang -finclude-default-header \\
    -Xclang -mlink-builtin-bitcode -Xclang "$library" "\$@" \\
    -S -o - "\$file" >out.\$\$ || { echo "\$chip \$file \$*: is not compiled"; exit 1; }
awk -v what="\$chip \$file \$*" '
    /^    \\.name:/ { name = \$2; seen++ }
    /\\.private_segment_fixed_size:/ { memory = \$2 }
    /\\.vgpr_count:/ { used = \$2 }
    /\\.vgpr_spill_count:/ {
        told++
        if (memory > 0 || \$2 > 0)
            print what ": " name " spills " \$2 " of " used " registers, " memory " bytes of memory"
    }
    END { if (!seen || seen != told) print what ": the compiler told of no kernel" }' out.\$\$
rm out.\$\$
SCRIPT

sh "$source/tests/opencl_variants.sh" "$source" "$work" >"$work/all" || exit 1
cut -d ' ' -f 2- "$work/all" | sort -u | grep -v -e 'LANES=16' -e 'GROUP=1$' -e 'GROUP=1 ' \
    -e 'TYPE=[346]' -e 'TYPE=[0127] -DMETRIC=[12]' -e 'METRIC=3' -e 'Q=[124]' -e 'FMA=0' \
    -e 'GROUP=32' -e 'GROUP=128' -e 'BLOCK=16' >"$work/programs"
count=$(wc -l <"$work/programs")
[ "$count" -gt 10 ] || { echo "only $count programs were found"; exit 1; }
cd "$work"

# It must be able to object: a thousand numbers are no registers.
cat >bad.cl <<'END'
kernel void k(global float *a, uint n) {
    float x[1000];
    for (uint i = 0; i < 1000; i++) x[i] = a[i];
    for (uint i = 0; i < n; i++) x[(i * 7) % 1000] += x[i % 1000];
    for (uint i = 0; i < 1000; i++) a[i] = x[i];
}
END
[ -n "$(sh spills.sh gfx90a bad.cl)" ] || { echo "a spill is not seen"; exit 1; }

sed -e 's/^/gfx90a /p' -e 's/^gfx90a/gfx1100/' programs | xargs -L 1 -P "$(nproc)" sh spills.sh >log
if [ -s log ]; then
    sort log
    exit 1
fi
echo "$count programs on two chips: nothing is spilled"
