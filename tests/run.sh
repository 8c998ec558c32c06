#!/bin/sh
# run.sh - installs what is missing, builds Kith in three ways and runs its tests.
#
#     sh tests/run.sh          release; then, with assertions, the suites under AddressSanitizer
#                              and UBSan, and what starts threads under ThreadSanitizer; and two
#                              minutes of fuzzing (fuzz.sh)
#     sh tests/run.sh quick    release alone
#
# Warnings are errors here, in all of them. The preset dev has no pass of its own: the sanitizers'
# presets are that one and a flag, and benchmarks are compiled in release, where more is warned of.
#
# The last line is "N passed, N failed", over all of it. Exits with 1 when anything failed.
set -eu
. "$(dirname "$0")/setup.sh"

passed=0
failed=0
skipped=
broken=

# attribute NAME FILE: of the suite's opening tag in the JUnit report of ctest.
attribute()
{
    sed -n "s/.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1
}

# Tests that did not run, and parts of tests that said so.
name_skipped()
{
    sed -n -e "s/.*<testcase name=\"\([^\"]*\)\".*status=\"notrun\".*/\1/p" \
        -e 's/^.*\[  SKIPPED \] \([a-z_][a-z0-9_]*\).*/\1/p' "$1" | sort -u
}

# A step that is no test, but without which tests cannot be counted.
lost()
{
    failed=$((failed + 1))
    broken="$broken $1"
}

name_failed()
{
    sed -n 's/.*<testcase name="\([^"]*\)".*status="fail".*/\1/p' "$1"
}

# suite PRESET TARGET [ctest option...]: builds and runs one suite and adds up.
suite()
{
    preset=$1 target=$2
    shift 2
    report=$KITH_ROOT/build/$preset.xml
    rm -f "$report"
    if ! build "$preset" "$target" -DKITH_WERROR=ON; then
        lost "$preset:build"
        return
    fi
    say "testing build/$preset"
    (cd "$KITH_ROOT/build/$preset" && ctest --output-on-failure -j "$(nproc)" \
        --output-junit "$report" "$@") || :
    if [ ! -s "$report" ]; then
        lost "$preset:ctest"
        return
    fi
    bad=$(attribute failures "$report")
    off=$(($(attribute skipped "$report") + $(attribute disabled "$report")))
    passed=$((passed + $(attribute tests "$report") - bad - off))
    failed=$((failed + bad))
    for name in $(name_failed "$report"); do
        broken="$broken $preset:$name"
    done
    for name in $(name_skipped "$report"); do
        skipped="$skipped $preset:$name"
    done
}

# Two minutes of both targets, as one test.
fuzz()
{
    if sh "$KITH_ROOT/tests/fuzz.sh" 120; then
        passed=$((passed + 1))
    else
        lost fuzz.sh
    fi
}

case ${1-all} in
all | quick) ;;
*) die "usage: sh tests/run.sh [quick]" ;;
esac

# shellcheck disable=SC2086 # the lists are words
install $wanted clang-format-14 gcc-aarch64-linux-gnu clang clang-15 libclc-15 oclgrind \
    libc6-dev-arm64-cross qemu-user
suite release all
if [ "${1-all}" = all ]; then
    suite asan all
    suite tsan threads -L '^threads$'
    fuzz
fi
[ -z "$broken" ] || say "failed:$broken"
[ -z "$skipped" ] || say "skipped:$skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
