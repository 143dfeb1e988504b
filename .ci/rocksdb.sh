#!/bin/sh
# Builds RocksDB's static library once for this machine (about a quarter of an hour on two cores), outside any checkout, and
# prints the variables that make every later build link it:
#
#     eval "$(.ci/rocksdb.sh)"
#
# Progress goes to standard error. A second run takes less than a second.
set -eu

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cache=${HANDFAST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/handfast}

# From the checkout's root, so that .cargo/config.toml holds for it too.
cd "$checkout"
if [ ! -d "$cache/rocksdb/release" ]; then
    echo "building RocksDB into $cache/rocksdb: once for this machine, about 15 minutes on two cores" >&2
fi
messages=$(env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC CARGO_TARGET_DIR="$cache/rocksdb" \
    cargo build --release --locked --manifest-path .ci/rocksdb/Cargo.toml --message-format json-render-diagnostics)
# Cargo itself says where the build script left the library: older builds may lie beside it.
directory=$(printf '%s\n' "$messages" | grep '"reason":"build-script-executed"' | grep 'librocksdb-sys' |
    sed -n 's/.*"out_dir":"\([^"]*\)".*/\1/p')
if [ ! -f "$directory/librocksdb.a" ]; then
    echo "RocksDB was built, but $directory/librocksdb.a is missing: remove $cache/rocksdb and run again" >&2
    exit 1
fi
printf "export ROCKSDB_LIB_DIR='%s'\nexport ROCKSDB_STATIC=1\n" "$directory"
