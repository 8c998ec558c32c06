#!/bin/sh
# run.sh - the main job: finds every device, searches on each, and draws recall against speed.
#
#     sh bench/run.sh [options of `kith bench`]
#
# Installs what is missing, builds build/release, and runs `kith bench` in the folder it was
# called from; kith-result.json and kith-report.html are left there. Running it again installs
# and builds nothing that is there.
set -eu
. "$(dirname "$0")/../tests/setup.sh"

# shellcheck disable=SC2086 # the list is words
install $wanted
build release kith_tool || exit 1
exec "$KITH_ROOT/build/release/kith" bench "$@"
