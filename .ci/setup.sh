#!/bin/sh
# Installs from Debian's packages what the build and the tests need and this machine lacks, and says what and why. Does nothing
# when nothing is missing. It needs no standard input, and root or sudo only if there is something to install.
#
#     .ci/setup.sh          # for the build and for all tests
#     .ci/setup.sh build    # for the build and the demo alone
set -eu

purpose=${1:-tests}

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
packages=''

# need PACKAGE REASON: remembers that PACKAGE is missing.
need() {
    echo "missing: $1: $2"
    packages="$packages $1"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# found FILE...: whether a pattern of the shell has found a file.
found() {
    [ -e "$1" ]
}

have c++ || need g++ 'a C++ compiler, for RocksDB, and the linker'
have make || need make 'for the C sources of dependencies'
have pkg-config || need pkg-config 'how the C sources of dependencies find libraries'
have clang || need clang 'reads the headers of RocksDB for its Rust bindings'
# The names that the bindings' generator looks for: neither libclang-cpp.so nor libclang.so.1 will do.
found /usr/lib/llvm-*/lib/libclang.so || found /usr/lib/*/libclang.so || found /usr/lib/*/libclang-[0-9]*.so ||
    [ -n "${LIBCLANG_PATH:-}" ] ||
    need libclang-dev 'reads the headers of RocksDB for its Rust bindings'
found /usr/lib/postgresql/*/bin/initdb || have initdb ||
    need postgresql 'the tests and the demo start a private PostgreSQL from its programs'
if [ "$purpose" = tests ]; then
    have valgrind || need valgrind 'a test counts instructions'
    have strace || need strace 'tests fail and kill at the nth system call'
    have xfs_io || have /usr/sbin/xfs_io || need xfsprogs 'tests cut the power of a file system'
fi

if [ -n "$packages" ]; then
    if ! have apt-get; then
        echo "This script installs from Debian's packages, and apt-get is not here." >&2
        echo "Install these, or what they are called on your system, and run again:$packages" >&2
        exit 1
    fi
    as_root=''
    if [ "$(id -u)" -ne 0 ]; then
        if ! have sudo; then
            echo "Installing needs root: as root, run: apt-get install --yes$packages" >&2
            exit 1
        fi
        as_root='sudo'
    fi
    echo "installing:$packages"
    $as_root apt-get update --quiet </dev/null
    # The names are separate words.
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends $packages </dev/null
fi

# The version that the workspace names, the one that is there; the older of the two has to be the workspace's.
needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$checkout/Cargo.toml")
get_rust="Install Rust $needed or newer with rustup: the Rust project's page 'Install Rust' has the command, and Debian from 13 on
has it as a package (apt-get install rustup; rustup toolchain install stable). Then run again."
if ! have cargo; then
    echo "Rust's cargo is not in PATH. $get_rust" >&2
    exit 1
fi
there=$(cargo --version | cut -d ' ' -f 2)
oldest=$(printf '%s\n%s\n' "$needed" "$there" | sort --version-sort | head -n 1)
if [ "$oldest" != "$needed" ]; then
    echo "Rust's cargo is version $there. $get_rust" >&2
    exit 1
fi
if [ "$purpose" = tests ]; then
    for component in rustfmt clippy; do
        have "cargo-${component#rust}" || {
            echo "Rust's component $component is missing: rustup component add $component" >&2
            exit 1
        }
    done
fi
echo "all that is needed for the $purpose is here"
