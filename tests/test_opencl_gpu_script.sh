#!/bin/sh
# bench/gpu.sh runs to its end on whatever OpenCL device there is, with so few rows that no gate is
# judged but those of being right: exact search finds the true neighbours, and the walk over codes
# and over u8 rows finds what the host finds. What it cannot do is a sentence and an exit code.
#
#     test_opencl_gpu_script.sh SOURCE BUILD
set -eu
source=$1
program=$2/kith-bench-gpu
[ -x "$program" ] || { echo "no kith-bench-gpu in $2"; exit 77; }
"$program" --list >/dev/null 2>&1 || { echo "no OpenCL device"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

run()
{
    KITH_CACHE=$work/cache KITH_GPU_BUILD=${program%/*} "$@" sh "$source/bench/gpu.sh" >out 2>&1
}

if ! run env KITH_GPU_ROWS=1500; then
    cat out
    echo "gpu.sh failed"
    exit 1
fi
for type in f32 u8; do
    grep -q '"schema": "kith-result/1"' kith-gpu-$type.json
    grep -q '"index": "flat", "codes": "'$type'"' kith-gpu-$type.json
    grep -q '"exact_wrong": 0, "walk_apart": 0' kith-gpu-$type.json ||
        { cat out; echo "$type: answers that are wrong"; exit 1; }
done
grep -q '"index": "hnsw", "codes": "sq8"' kith-gpu-f32.json
grep -q '"index": "hnsw", "codes": "u8"' kith-gpu-u8.json
[ "$(grep -c 'not judged' out)" -ge 6 ]
[ "$(grep -c '  holds' out)" -eq 6 ] || { cat out; exit 1; }
! command -v python3 >/dev/null 2>&1 || python3 -c '
import json, sys
for name in ("kith-gpu-f32.json", "kith-gpu-u8.json"):
    result = json.load(open(name))
    assert len(result["gates"]) == 7 and len(result["runs"]) >= 4, name
    assert all(run["qps"] > 0 and run["recall"] > 0.7 for run in result["runs"]), name
    assert all(limit > 0 for key, limit in result["limits"].items() if key != "torch_seconds")
'

# What is refused.
! run env KITH_GPU_ROWS=many || { echo "rows that are no number"; exit 1; }
grep -q 'is no number' out
! run env KITH_OPENCL_LIBRARY=disabled KITH_GPU_ROWS=1500 KITH_GPU_DEVICE=ocl77 ||
    { echo "a device that is not there"; exit 1; }
"$program" --type f64 2>out && { echo "a type that is none"; exit 1; }
grep -q 'not understood' out
