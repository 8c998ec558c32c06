#!/bin/sh
# test_house_symbols.sh - libkith shows the names of kith.h and no other.
#
# Every symbol that the library exports begins with kith_ and is declared in the header; every
# function that the header promises is exported. The header alone is C11 and C++17, with no
# warning.
set -eu
source=$1
build=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

library=$build/libkith.so
[ -e "$library" ] || { echo "this build makes an archive, which cannot hide a name"; exit 77; }
nm -D --defined-only "$library" | awk '{print $NF}' | sort >"$scratch/exported"
sed -n '/^KITH_API/,/;/p' "$source/include/kith.h" | grep -o 'kith_[a-z0-9_]*(' | tr -d '(' |
    sort -u >"$scratch/promised"
[ -s "$scratch/promised" ] || { echo "no KITH_API function found in kith.h"; exit 1; }

failed=0
comm -23 "$scratch/exported" "$scratch/promised" >"$scratch/extra"
comm -13 "$scratch/exported" "$scratch/promised" >"$scratch/missing"
if [ -s "$scratch/extra" ]; then
    echo "exported, but not in kith.h:" && cat "$scratch/extra" && failed=1
fi
if [ -s "$scratch/missing" ]; then
    echo "promised by kith.h, but not exported:" && cat "$scratch/missing" && failed=1
fi

strict="-Wall -Wextra -pedantic -Werror -fsyntax-only"
# shellcheck disable=SC2086 # the options are words
"${CC:-cc}" -std=c11 $strict -x c "$source/include/kith.h" || failed=1
if command -v "${CXX:-c++}" >/dev/null 2>&1; then
    # shellcheck disable=SC2086
    "${CXX:-c++}" -std=c++17 $strict -x c++ "$source/include/kith.h" || failed=1
fi
exit $failed
