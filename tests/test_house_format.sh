#!/bin/sh
# test_house_format.sh - clang-format would change nothing in any C or C++ file of the tree.
#
# The layout is that of clang-format 14; other versions disagree in small things, so that one is
# looked for first. Without any the test is skipped.
set -eu
source=$1
for tool in clang-format-14 clang-format ""; do
    [ -n "$tool" ] || { echo "clang-format is not here"; exit 77; }
    ! command -v "$tool" >/dev/null 2>&1 || break
done
case $("$tool" --version) in
*"version 14."*) ;;
*) echo "the layout is that of clang-format 14; here is $("$tool" --version)"; exit 77 ;;
esac
cd "$source"

# The tool must be able to object: a badly laid out line is planted first.
if printf 'int  a ;\n' | "$tool" --dry-run -Werror --assume-filename=kv/planted.c 2>/dev/null; then
    echo "clang-format accepts anything"
    exit 1
fi
find . \( -name build -o -name '.?*' \) -prune -o \
    \( -name '*.c' -o -name '*.h' -o -name '*.cc' \) -exec "$tool" --dry-run -Werror {} +
