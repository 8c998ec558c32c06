#!/bin/sh
# test_house_package.sh - what is installed can be used: by CMake and by pkg-config, from C.
#
# The library is installed into a folder of its own (its name has a space), which is then moved.
# Three programs are taken from where users read them, the two blocks of C in README.md and the
# example at the head of kith.h, and each is built both ways and run. README.md shows what its
# programs print: the block after each, which must be what the program does print.
set -eu
source=$1
build=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cmake --install "$build" --prefix "$scratch/first place" >/dev/null
mv "$scratch/first place" "$scratch/a home"
prefix="$scratch/a home"
pc=$(find "$prefix" -name kith.pc)
libdir=$(dirname "$(dirname "$pc")")

# Blocks of C and the blocks behind them, by the number of the fence that opens each.
block()
{
    awk -v wanted="$1" '/^```c$/ {seen = 1} seen && /^```/ {fence++; next} fence == wanted' \
        "$source/README.md"
}
block 1 >"$scratch/readme.c"
block 3 >"$scratch/readme.expected"
block 5 >"$scratch/alone.c"
block 7 >"$scratch/alone.expected"
sed -n 's/^ \*     //p; s/^ \*$//p; /^ \* Rules/q' "$source/include/kith.h" |
    sed -n '/^#include/,/^}/p' >"$scratch/head.c"
for program in readme alone head; do
    grep -q 'int main' "$scratch/$program.c" || { echo "$program.c has no main"; exit 1; }
done
for program in readme alone; do
    [ -s "$scratch/$program.expected" ] || { echo "README.md does not show the output"; exit 1; }
done

cat >"$scratch/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.22)
project(consumer C)
find_package(kith 0.1 REQUIRED)
add_executable(readme readme.c)
target_link_libraries(readme kith::kith)
add_executable(alone alone.c)
target_link_libraries(alone kith::kith)
add_executable(head head.c)
target_link_libraries(head kith::kith)
END
cmake -G Ninja -S "$scratch" -B "$scratch/by cmake" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$scratch/by cmake" >/dev/null

# pkg-config writes its answer for a shell: spaces of paths are escaped.
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
static=$([ -e "$libdir/libkith.so" ] || echo --static)
mkdir "$scratch/by pkg-config"
for program in readme alone head; do
    eval "\"${CC:-cc}\" -std=c11 -Wall -Wextra -Werror -o \"$scratch/by pkg-config/$program\" \
        \"$scratch/$program.c\" $(pkg-config $static --cflags --libs kith)"
done
test "$(pkg-config --modversion kith)" = "$(sed -n \
    's/^#define KITH_VERSION_[A-Z]* //p' "$source/include/kith.h" | paste -sd. -)"

for way in "by cmake" "by pkg-config"; do
    for program in readme alone; do
        LD_LIBRARY_PATH=$libdir "$scratch/$way/$program" >"$scratch/$program.printed"
        diff "$scratch/$program.expected" "$scratch/$program.printed"
    done
    LD_LIBRARY_PATH=$libdir "$scratch/$way/head" >"$scratch/head.printed"
    grep -q 'key 1' "$scratch/head.printed"
done
if [ -x "$prefix/bin/kith" ]; then
    "$prefix/bin/kith" --version | grep -q "$(pkg-config --modversion kith)"
fi
