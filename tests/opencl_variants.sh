#!/bin/sh
# opencl_variants.sh - every program that the library may hand to a driver, one a line: the kernel,
# its .cl file, the options.
#
# usage: opencl_variants.sh SOURCE [DIRECTORY]
#
# With a directory, the source of each program is written there too, under the name of the .cl file:
# the files that CMakeLists.txt puts in front of it, and then itself.
#
# The one idea: opencl/variants.c is where a program is named, so it is what is read here: which
# kernel belongs to which PART and file, and which options it is given. Only the values of options
# stand in this file, and a name without values ends it with a sentence, as does a kernel that no
# program has. Running the library and writing down what it builds was not taken: it would list
# what a test happened to ask for.
set -eu
source=${1:?the root of the sources}

# TYPE:METRIC, as elements.cl numbers them.
pairs="0:0 0:1 0:2 1:0 1:1 1:2 2:0 2:1 2:2 3:0 3:1 3:2 4:0 4:1 4:2 5:3 5:4 6:0 6:1 6:2 7:0 7:1 7:2"

fail() {
    echo "opencl_variants.sh: $*" >&2
    exit 1
}

# LANES:GROUP:BLOCK of each layout.
number='\([0-9]*\)'
shapes=$(sed -n "s/.*{.lanes = $number, .group = $number, .block = $number}.*/\1:\2:\3/p" \
    "$source/opencl/open_cl.c")
[ "$(echo "$shapes" | wc -l)" -eq 2 ] || fail "open_cl.c has not the two layouts: $shapes"

# kernel, PART, "own" or "any" size of group, names of options with their value if it is a number.
programs() {
    awk '
    /PART_[A-Z]+ = [0-9]+/ {
        line = $0
        while (match(line, /PART_[A-Z]+ = [0-9]+/)) {
            split(substr(line, RSTART, RLENGTH), word, " = ")
            number[word[1]] = word[2]
            line = substr(line, RSTART + RLENGTH)
        }
        next
    }
    # A function begins at the margin and ends with a brace there.
    /^(static|kith_status|void)/ {
        name = $0
        sub(/\(.*/, "", name)
        sub(/.*[ *]/, "", name)
        options = part = ""
        own = "any"
        count = 0
    }
    /element_options\(/ && name != "element_options" {
        options = shared
        own = shared_own
    }
    /shape(\.|->)group/ { own = "own" }
    match($0, /PART_[A-Z]+/) { part = substr($0, RSTART, RLENGTH) }
    /"/ {
        line = $0
        while (match(line, /-D[A-Z]+=[%0-9]/)) {
            option = substr(line, RSTART + 2, RLENGTH - 2)
            line = substr(line, RSTART + RLENGTH)
            value = option
            sub(/.*=/, "", value)
            if (value != "%" && match(line, /^[0-9]+/))
                option = option substr(line, 1, RLENGTH)
            sub(/=%/, "", option)
            if (option != "PART")
                options = options " " option
        }
    }
    match($0, /"kith_[a-z0-9_]+"/) {
        kernel[count] = substr($0, RSTART + 1, RLENGTH - 2)
        its_part[count++] = part
    }
    /^}/ {
        if (name == "element_options") {
            shared = options
            shared_own = own
        }
        for (i = 0; i < count; i++)
            print kernel[i], number[its_part[i]], own options
        count = 0
    }' "$source/opencl/variants.c"
}

# All values of the options named, one set a line. Q and FMA go round together: each appears with
# each layout and pair, and their product would only cost time.
values() {
    own=$1
    shift
    sets=x
    for option in "$@"; do
        case $option in
        *=*) more=-D$option ;;
        TYPE) more=$(for p in $pairs; do echo "-DTYPE=${p%:*},-DMETRIC=${p#*:}"; done) ;;
        Q) more="-DQ=1,-DFMA=0 -DQ=2,-DFMA=1 -DQ=4,-DFMA=0 -DQ=8,-DFMA=1" ;;
        LANES | GROUP | BLOCK) more=@ ;;
        METRIC) continue ;;
        FMA)
            case " $* " in *" Q "*) continue ;; esac
            more="-DFMA=0 -DFMA=1"
            ;;
        *) fail "variants.c gives -D$option, for which no values are known here" ;;
        esac
        if [ "$more" = @ ]; then
            case $sets in *@*) continue ;; esac
            more=$(laid_out "$own" "$@")
        fi
        sets=$(for s in $sets; do for m in $more; do echo "$s,$m"; done; done)
    done
    echo "$sets" | sed -e 's/@//g' -e 's/^x,*//' -e 's/,/ /g'
}

# Those of LANES, GROUP and BLOCK that are named, for each layout; where the group is not the
# layout's own, every size that it may have.
laid_out() {
    own=$1
    shift
    for shape in $shapes; do
        set_of_groups=$(echo "$shape" | cut -d : -f 2)
        [ "$own" = own ] || [ "$set_of_groups" -eq 1 ] || set_of_groups="32 64 128 256"
        for group in $set_of_groups; do
            one=@
            for option in "$@"; do
                case $option in
                LANES) one="$one,-DLANES=${shape%%:*}" ;;
                GROUP) one="$one,-DGROUP=$group" ;;
                BLOCK) one="$one,-DBLOCK=${shape##*:}" ;;
                esac
            done
            echo "$one"
        done
    done | sort -u
}

# What tile_cl.c leaves to the scan: bits are counted, and not in tiles.
only() {
    if [ "$1" = kith_tile ]; then
        grep -v 'TYPE=5'
    else
        cat
    fi
}

if [ $# -gt 1 ]; then
    front=$(sed -n '/set(in /,/)/p' "$source/CMakeLists.txt" | grep -o 'opencl/[a-z_]*\.cl')
    [ -n "$front" ] || fail "CMakeLists.txt does not tell what stands in front of a program"
    for file in "$source"/opencl/*.cl; do
        # shellcheck disable=SC2086 # the files are words
        (cd "$source" && cat $front "$file") >"$2/${file##*/}"
    done
fi

list=$(programs)
for kernel in $(cat "$source"/opencl/*.cl | tr '\n' ' ' | grep -o '__kernel[^{]*{' |
    grep -o 'kith_[a-z0-9_]*(' | tr -d '('); do
    echo "$list" | grep -q "^$kernel [0-9]" || fail "variants.c has no program with $kernel"
done
echo "$list" | while read -r kernel part own options; do
    file=$(grep -l "^$kernel(" "$source"/opencl/*.cl) || fail "no .cl file has $kernel"
    # shellcheck disable=SC2086 # the options are words
    sets=$(values "$own" $options) || exit 1
    echo "$sets" | only "$kernel" | sed "s|^|$kernel ${file##*/} -DPART=$part |; s|  *| |g"
done
