#!/bin/sh
# graph.sh - Kith's graph beside hnswlib, usearch, FAISS, glass: same rows, queries and recall.
#
#     sh bench/peers/graph.sh [option of graph.py ...]
#
# Builds the release preset, makes a Python environment outside the tree ($KITH_PEERS, else a
# folder in the user's cache) with pinned packages, compiles a few lines of ours that include
# hnswlib's own headers for this very machine, and prints tables of medians, ratios and gates, and
# how time, distances and bytes grow from ten thousand rows to a million. A kith-result file of each
# set, and its report, are left in the folder it was called from. A peer that is not to be had is
# left out with a word; of glass there is no wheel (graph.py says how it takes part). Wants a quiet
# machine of two cores, and 4 GB of memory for the million rows. Quick, to see that all works:
#
#     sh bench/peers/graph.sh --rows 8000 --queries 300 --rounds 2 --builds 1
set -eu
KITH_ROOT=$(cd "$(dirname "$0")/../.." && pwd)
. "$KITH_ROOT/tests/setup.sh"

peers=${KITH_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/kith/peers}-graph

# shellcheck disable=SC2086 # the list is words
install $wanted python3-venv
build release kith_tool || exit 1
build release peer_graph || exit 1
[ -x "$peers/bin/python" ] || python3 -m venv "$peers"
"$peers/bin/python" -c 'import numpy' 2>/dev/null ||
    "$peers/bin/pip" install --quiet numpy==2.4.6
for package in usearch==2.26.5 faiss-cpu==1.15.1; do
    module=${package%%==*}
    "$peers/bin/python" -c "import ${module%-cpu}" 2>/dev/null && continue
    say "installing $package in $peers"
    "$peers/bin/pip" install --quiet "$package" || say "$package is not to be had: left out"
done

# The package's source has to be unpacked for its headers; pip wants what would build it.
compile_hnswlib()
{
    say "compiling hnswlib 0.8.0 for this machine in $peers"
    "$peers/bin/pip" install --quiet pybind11==2.13.6 setuptools==75.6.0 wheel &&
        "$peers/bin/pip" download --quiet --no-build-isolation --no-deps --no-binary hnswlib \
            --dest "$peers/hnswlib" hnswlib==0.8.0 &&
        tar -xzf "$peers/hnswlib/hnswlib-0.8.0.tar.gz" -C "$peers/hnswlib" &&
        g++ -O3 -march=native -std=c++17 -fPIC -shared -I "$peers/hnswlib/hnswlib-0.8.0/hnswlib" \
            "$KITH_ROOT/bench/peers/hnswlib_graph.cc" -o "$peers/libhnswlib_graph.so"
}
newer=$(find "$peers" -name libhnswlib_graph.so -newer "$KITH_ROOT/bench/peers/hnswlib_graph.cc")
[ -n "$newer" ] || compile_hnswlib || say "hnswlib is not to be had: left out"
mkdir -p "$peers/data"
PYTHONDONTWRITEBYTECODE=1 exec "$peers/bin/python" "$KITH_ROOT/bench/peers/graph.py" \
    --tool "$KITH_ROOT/build/release/kith" --kith "$KITH_ROOT/build/release/libpeer_graph.so" \
    --hnswlib "$peers/libhnswlib_graph.so" --data "$peers/data" "$@"
