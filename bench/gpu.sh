#!/bin/sh
# gpu.sh - what a large GPU does with Kith, measured against what the card can do.
#
#     sh bench/gpu.sh
#
# Takes under 15 minutes, needs no network and installs nothing: what is missing is named. It finds
# an OpenCL loader and a driver, also in a container that has the driver's library and no ICD file;
# builds build/gpu; measures the card's own limits, torch's matmul and topk if python3 has torch
# with a GPU, exact search at batch 1 and 1000, and the walk of a graph at batch 10,000 and 1, over
# a million made-up rows of 128 dimensions in f32 and in u8; and prints tables with every gate. The
# exit code is 3 when a gate is missed. Left in the folder it was called from: kith-gpu-f32.json and
# kith-gpu-u8.json, result files that `kith report` draws, and kith-gpu-devices.txt.
#
#     KITH_GPU_ROWS=3000     fewer rows: the gates are then shown and not judged
#     KITH_GPU_DEVICE=ocl0   the device; default the first usable one
#     KITH_GPU_BUILD=DIR     a folder that has kith-bench-gpu already: nothing is built
#     KITH_GPU_LOADER=FILE   an OpenCL loader that was brought along
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
rows=${KITH_GPU_ROWS:-1000000}
build=${KITH_GPU_BUILD:-$root/build/gpu}
program=$build/kith-bench-gpu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say()
{
    printf 'gpu.sh: %s\n' "$*"
}

die()
{
    printf 'gpu.sh: %s\n' "$*" >&2
    exit 1
}

case $rows in
'' | *[!0-9]*) die "KITH_GPU_ROWS=$rows is no number" ;;
esac
if [ "$rows" -lt 100 ] || [ "$rows" -gt 100000000 ]; then
    die "KITH_GPU_ROWS=$rows: 100 to 100,000,000 rows"
fi

# ---- the program ------------------------------------------------------------------------------

# The words of "$@" that stand for something that is not here.
lacking()
{
    for tool in gcc cmake pkg-config; do
        command -v "$tool" >/dev/null 2>&1 || printf ' %s' "$tool"
    done
    [ -e /usr/include/xxhash.h ] || printf ' libxxhash-dev'
    [ -e /usr/include/CL/cl.h ] || printf ' opencl-c-headers'
}

build_program()
{
    lack=$(lacking)
    if [ -n "$lack" ]; then
        [ -x "$program" ] || die "cannot build: missing$lack; a kith-bench-gpu that was built" \
            "elsewhere can be named by KITH_GPU_BUILD"
        say "missing$lack: the program that is there is used as it is"
        return
    fi
    say "building build/gpu"
    mkdir -p "$build"
    set -- -DCMAKE_BUILD_TYPE=Release -DKITH_TESTS=OFF -DKITH_INSTALL=OFF -DKITH_TOOL=OFF
    ! command -v ninja >/dev/null 2>&1 || set -- "$@" -G Ninja
    if ! pkg-config --exists openblas 2>/dev/null; then
        say "no libopenblas-dev: the true neighbours take longer to compute"
        set -- "$@" -DKITH_BLAS=OFF
    fi
    if ! (cmake -S "$root" -B "$build" "$@" &&
        cmake --build "$build" --target bench_gpu -j "$(nproc)") >"$work/build.log" 2>&1; then
        tail -n 40 "$work/build.log" >&2
        die "the build failed"
    fi
}

[ -n "${KITH_GPU_BUILD:-}" ] || build_program
[ -x "$program" ] || die "$program is not there"

# ---- the loader and the driver ----------------------------------------------------------------

# Paths of a library, the loader's own search first.
places()
{
    ldconfig -p 2>/dev/null | awk -v name="$1" '$1 == name { print $NF }'
    for dir in /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu /usr/lib64 /usr/lib \
        /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/local/cuda/lib64 \
        /usr/local/cuda/targets/x86_64-linux/lib /opt/rocm/lib "$build"; do
        [ ! -e "$dir/$1" ] || printf '%s\n' "$dir/$1"
    done
}

usable()
{
    "$program" --list >"$work/devices.txt" 2>&1
}

# A driver that no ICD file names: NVIDIA's container tools before 2026 bring the library alone.
# The drivers that files do name are listed beside it.
name_driver()
{
    driver=$(places libnvidia-opencl.so.1 | head -n 1)
    [ -n "$driver" ] || return 1
    mkdir -p "$work/vendors"
    cp /etc/OpenCL/vendors/*.icd "$work/vendors/" 2>/dev/null || :
    grep -lq libnvidia-opencl "$work"/vendors/*.icd 2>/dev/null ||
        printf '%s\n' "$driver" >"$work/vendors/nvidia-here.icd"
    export OCL_ICD_VENDORS="$work/vendors/" OPENCL_VENDOR_PATH="$work/vendors/"
}

# Some loader in some place, with whatever drivers there are; at last the driver by itself.
find_device()
{
    [ ! -e /etc/OpenCL/vendors ] || grep -lq nvidia /etc/OpenCL/vendors/*.icd 2>/dev/null ||
        name_driver || :
    if usable; then
        return
    fi
    name_driver || :
    for loader in ${KITH_GPU_LOADER:+"$KITH_GPU_LOADER"} $(places libOpenCL.so.1) \
        $(places libnvidia-opencl.so.1); do
        export KITH_OPENCL_LIBRARY="$loader"
        if usable; then
            say "OpenCL through $loader"
            return
        fi
    done
    unset KITH_OPENCL_LIBRARY
    cat "$work/devices.txt" >&2
    die "no usable OpenCL device. Needed are a loader (libOpenCL.so.1, of ocl-icd-libopencl1;" \
        "KITH_GPU_LOADER names one) and a driver (NVIDIA: libnvidia-opencl.so.1, which" \
        "containers get with NVIDIA_DRIVER_CAPABILITIES=compute,utility)"
}

find_device
cp "$work/devices.txt" kith-gpu-devices.txt
cat "$work/devices.txt"
# A GPU rather than the CPU's driver, where there are both.
first=$(grep '^ocl.*usable$' "$work/devices.txt" | grep -v 'Portable Computing' | head -n 1)
first=${first:-$(grep '^ocl.*usable$' "$work/devices.txt" | head -n 1)}
device=${KITH_GPU_DEVICE:-${first%%:*}}
! command -v nvidia-smi >/dev/null 2>&1 ||
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory \
        --format=csv,noheader || :

# ---- torch ------------------------------------------------------------------------------------

queries=$((rows < 1000 ? rows : 1000))
torch='- there is no python3'
if command -v python3 >/dev/null 2>&1; then
    torch=$(timeout 120 python3 "$root/bench/gpu_torch.py" "$rows" 128 "$queries" 10 \
        2>"$work/torch") || torch="- python3 failed: $(tail -n 1 "$work/torch")"
fi
seconds=${torch%% *}
note=${torch#* }
[ "$seconds" != - ] || seconds=0

# ---- the measurements -------------------------------------------------------------------------

code=0
for type in f32 u8; do
    status=0
    timeout 330 "$program" --device "$device" --rows "$rows" --type "$type" \
        --out "kith-gpu-$type.json" --torch "$seconds" --torch-note "$note" || status=$?
    [ "$status" -ne 124 ] || say "$type: more than 330 seconds, ended"
    [ "$status" -le "$code" ] || code=$status
done
exit "$code"
