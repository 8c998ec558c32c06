# setup.sh - what tests/run.sh and bench/run.sh share: packages, building. Sourced, not run.
#
# Speaks POSIX sh and sets KITH_ROOT. It asks dpkg what is missing, names it, and installs that
# and no more; with nothing missing it calls neither apt nor sudo. A package that this
# distribution does not have turns its feature off with a line, unless the build needs it.

# The tree may lie anywhere, and its path may hold spaces: everything below quotes it.
# A script deeper than one folder sets KITH_ROOT itself before.
KITH_ROOT=${KITH_ROOT:-$(cd "$(dirname "$0")/.." && pwd)}

# Without these nothing is built.
needed="gcc libc6-dev cmake ninja-build pkg-config libxxhash-dev libcmocka-dev libjansson-dev
    zlib1g-dev libmd-dev"

# Each of these adds something; what is lost without it stands in `without`.
wanted="libopenblas-dev opencl-c-headers ocl-icd-libopencl1 pocl-opencl-icd libhdf5-dev
    dataset-fashion-mnist wordnet-base g++ libbenchmark-dev"

say()
{
    printf 'kith: %s\n' "$*"
}

die()
{
    printf 'kith: %s\n' "$*" >&2
    exit 1
}

installed()
{
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

without()
{
    case $1 in
    libopenblas-dev) echo "exact search in batches uses Kith's own kernels" ;;
    opencl-*) echo "no OpenCL device is used" ;;
    ocl-icd-* | pocl-*) echo "the CPU is not among the OpenCL devices" ;;
    libhdf5-dev) echo "HDF5 files cannot be read" ;;
    g++ | libbenchmark-dev) echo "kith kernels names the kernels and measures none" ;;
    dataset-*) echo "the data set has to be given as files" ;;
    *) echo "the tests that use it are skipped" ;;
    esac
}

# The packages among "$@" that are not installed, one a line.
missing()
{
    for package in "$@"; do
        installed "$package" || echo "$package"
    done
}

as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

apt()
{
    as_root apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"
}

is_needed()
{
    # shellcheck disable=SC2086 # one word a line
    printf '%s\n' $needed | grep -qx "$1"
}

# install PACKAGE...: makes the packages be there. Those of `needed` are a condition, the others
# are not; failing to get one is said.
install()
{
    if ! command -v dpkg-query >/dev/null 2>&1; then
        say "no dpkg here: install what the build asks for by hand"
        return
    fi
    # shellcheck disable=SC2046,SC2086 # a list of words is meant
    set -- $(missing $needed "$@")
    [ $# -gt 0 ] || return 0
    say "missing: $*"
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
        say "neither root nor sudo: nothing can be installed"
    else
        apt update >/dev/null || say "apt-get update failed; trying with what is known"
        found=
        for package in "$@"; do
            ! apt-cache show "$package" >/dev/null 2>&1 || found="$found $package"
        done
        say "installing:${found:- nothing, none of them is known to apt}"
        # shellcheck disable=SC2086
        [ -z "$found" ] || apt install --no-install-recommends $found >/dev/null ||
            install_one_by_one $found
    fi
    for package in $(missing "$@"); do
        is_needed "$package" && die "the package $package is needed and could not be installed"
        say "$package is not to be had: $(without "$package")"
    done
}

# One package that fails must not keep the others out.
install_one_by_one()
{
    for package in "$@"; do
        apt install --no-install-recommends "$package" >/dev/null || :
    done
}

# The CMake options that follow from what is here.
options()
{
    pkg-config --exists openblas || echo -DKITH_BLAS=OFF
    [ -e /usr/include/CL/cl.h ] || echo -DKITH_OPENCL=OFF
    pkg-config --exists benchmark && command -v c++ >/dev/null 2>&1 || echo -DKITH_BENCH=OFF
}

# build PRESET TARGET [option of CMake...]: configures and builds in build/PRESET, silently but for
# failure.
build()
{
    preset=$1 target=$2
    shift 2
    log=$KITH_ROOT/build/$preset.log
    mkdir -p "$KITH_ROOT/build"
    say "building build/$preset"
    # shellcheck disable=SC2046 # the options are words
    if (cd "$KITH_ROOT" && cmake --preset "$preset" $(options) "$@" &&
        cmake --build "build/$preset" --target "$target") >"$log" 2>&1; then
        return 0
    fi
    tail -n 60 "$log" >&2
    say "build/$preset failed; all of its output is in $log" >&2
    return 1
}
