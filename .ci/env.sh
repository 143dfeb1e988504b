# Sourced from the checkout's root, not run: the environment that every build of it shares.
#
#     . .ci/env.sh
#
# HANDFAST_CACHE (default: handfast in the user's cache) holds what is built; nothing is built inside the checkout. RocksDB is
# built here if it is not there yet.

HANDFAST_CACHE=${HANDFAST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/handfast}
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HANDFAST_CACHE/target}
export HANDFAST_CACHE CARGO_TARGET_DIR

if ! handfast_variables=$(.ci/rocksdb.sh); then
    return 1
fi
eval "$handfast_variables"
unset handfast_variables
