#!/bin/sh
# test_house_package.sh - what is installed can be used: by CMake and by pkg-config, from C.
#
# The library is installed into a folder of its own (its name has a space), which is then moved.
# Two programs are taken from where users read them, the first block of C in README.md and the
# example at the head of kith.h, and each is built both ways and run. README.md shows what its
# program prints: the block after it, which must be what the program does print.
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

# The first block of C and the block behind it: fences 1 to 2, and 3 to 4.
block()
{
    awk -v wanted="$1" '/^```c$/ {seen = 1} seen && /^```/ {fence++; next} fence == wanted' \
        "$source/README.md"
}
block 1 >"$scratch/readme.c"
block 3 >"$scratch/readme.expected"
sed -n 's/^ \*     //p; s/^ \*$//p; /^ \* Rules/q' "$source/include/kith.h" |
    sed -n '/^#include/,/^}/p' >"$scratch/head.c"
for program in readme head; do
    grep -q 'int main' "$scratch/$program.c" || { echo "$program.c has no main"; exit 1; }
done
[ -s "$scratch/readme.expected" ] || { echo "README.md does not show the output"; exit 1; }

cat >"$scratch/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.22)
project(consumer C)
find_package(kith 0.1 REQUIRED)
add_executable(readme readme.c)
target_link_libraries(readme kith::kith)
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
for program in readme head; do
    eval "\"${CC:-cc}\" -std=c11 -Wall -Wextra -Werror -o \"$scratch/by pkg-config/$program\" \
        \"$scratch/$program.c\" $(pkg-config $static --cflags --libs kith)"
done
test "$(pkg-config --modversion kith)" = "$(sed -n \
    's/^#define KITH_VERSION_[A-Z]* //p' "$source/include/kith.h" | paste -sd. -)"

for way in "by cmake" "by pkg-config"; do
    LD_LIBRARY_PATH=$libdir "$scratch/$way/readme" >"$scratch/readme.printed"
    diff "$scratch/readme.expected" "$scratch/readme.printed"
    LD_LIBRARY_PATH=$libdir "$scratch/$way/head" >"$scratch/head.printed"
    grep -q 'key 1' "$scratch/head.printed"
done
if [ -x "$prefix/bin/kith" ]; then
    "$prefix/bin/kith" --version | grep -q "$(pkg-config --modversion kith)"
fi
