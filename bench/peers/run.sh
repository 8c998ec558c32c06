#!/bin/sh
# run.sh - Kith beside hnswlib: same vectors, same queries, same recall, one thread each, in turns.
#
#     sh bench/peers/run.sh [option of compare.py ...]
#
# Builds the release preset as bench/run.sh does, makes a Python environment outside the tree
# ($KITH_PEERS, else a folder in the user's cache), builds the pinned hnswlib there from its
# source package for this very machine, and prints a table of medians and ratios.
set -eu
KITH_ROOT=$(cd "$(dirname "$0")/../.." && pwd)
. "$KITH_ROOT/tests/setup.sh"

peers=${KITH_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/kith/peers}

# shellcheck disable=SC2086 # the list is words
install $wanted python3-venv python3-dev
build release libkith.so || exit 1
if [ ! -x "$peers/bin/python" ]; then
    python3 -m venv "$peers"
fi
"$peers/bin/python" -c 'import hnswlib' 2>/dev/null || {
    say "building hnswlib 0.8.0 for this machine in $peers"
    "$peers/bin/pip" install --quiet numpy==1.26.4 pybind11==2.13.6 setuptools==75.6.0 wheel
    "$peers/bin/pip" install --quiet --no-build-isolation --no-deps --no-binary hnswlib \
        hnswlib==0.8.0
}
exec "$peers/bin/python" "$KITH_ROOT/bench/peers/compare.py" \
    --library "$KITH_ROOT/build/release/libkith.so" "$@"
