#!/bin/sh
# distances.sh - Kith's distance kernels beside NumKong, FAISS, hnswlib and OpenBLAS.
#
#     sh bench/peers/distances.sh [option of distances.py ...]
#
# Builds the release preset, makes a Python environment outside the tree ($KITH_PEERS, else a
# folder in the user's cache) with pinned packages, compiles a few lines of ours that include
# hnswlib's own headers for this very machine, and prints a table of medians and ratios.
set -eu
KITH_ROOT=$(cd "$(dirname "$0")/../.." && pwd)
. "$KITH_ROOT/tests/setup.sh"

peers=${KITH_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/kith/peers}-kernels

# shellcheck disable=SC2086 # the list is words
install $wanted python3-venv python3-dev
build release peer_loops || exit 1
[ -x "$peers/bin/python" ] || python3 -m venv "$peers"
"$peers/bin/python" -c 'import numkong, faiss' 2>/dev/null || {
    say "installing numkong 7.6.0 and faiss-cpu 1.15.1 in $peers"
    "$peers/bin/pip" install --quiet numpy==2.4.6 numkong==7.6.0 faiss-cpu==1.15.1
}
[ -f "$peers/libhnswlib_kernels.so" ] || {
    say "compiling the kernels of hnswlib 0.8.0 for this machine in $peers"
    "$peers/bin/pip" install --quiet pybind11==2.13.6 setuptools==75.6.0 wheel
    "$peers/bin/pip" download --quiet --no-build-isolation --no-deps --no-binary hnswlib \
        --dest "$peers/hnswlib" hnswlib==0.8.0
    tar -xzf "$peers/hnswlib/hnswlib-0.8.0.tar.gz" -C "$peers/hnswlib"
    g++ -O3 -march=native -fPIC -shared -I "$peers/hnswlib/hnswlib-0.8.0/hnswlib" \
        "$KITH_ROOT/bench/peers/hnswlib_kernels.cc" -o "$peers/libhnswlib_kernels.so"
}
exec "$peers/bin/python" "$KITH_ROOT/bench/peers/distances.py" \
    --loops "$KITH_ROOT/build/release/libpeer_loops.so" \
    --hnswlib "$peers/libhnswlib_kernels.so" "$@"
