#!/bin/sh
# Runs each fuzz target for a while, as many at a time as there are processors:
#
#     . .ci/env.sh; .ci/fuzz.sh [TARGET...]
#
# HANDFAST_FUZZ_SECONDS (default 60) is how long each runs. Needs a nightly toolchain of Rust, and says so by name where there is
# none; cargo-fuzz is installed beside the other things that are built once, if it is not in PATH. What is found lies in
# fuzz/artifacts, and `cargo +nightly fuzz run --features libfuzzer TARGET FILE` runs it again; inputs that reach something new are
# added to a corpus in the cache, never to the checkout's.
set -eu
cd "$(dirname -- "$0")/.."

cargo_fuzz_version=0.13.2
seconds=${HANDFAST_FUZZ_SECONDS:-60}
tools=$HANDFAST_CACHE/cargo-fuzz
found=$HANDFAST_CACHE/fuzz

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzz: skipped: there is no nightly toolchain (rustup toolchain install nightly)"
    exit 0
fi
PATH=$PATH:$tools/bin
if ! command -v cargo-fuzz >/dev/null 2>&1; then
    CARGO_TARGET_DIR=$tools/target cargo install --quiet --locked --root "$tools" --version "$cargo_fuzz_version" cargo-fuzz || {
        echo "fuzz: skipped: cargo-fuzz $cargo_fuzz_version cannot be installed"
        exit 0
    }
    rm -rf "$tools/target"
fi

# As the other tests are built: optimised, and overflows end them. Without sanitizers, as our code has nothing unsafe.
export CARGO_PROFILE_RELEASE_LTO=off RUSTFLAGS='-Ctarget-cpu=x86-64-v2 -Coverflow-checks=yes'
cargo +nightly fuzz build --release --sanitizer none --features libfuzzer
programs=$CARGO_TARGET_DIR/$(rustc -vV | sed -n 's/^host: //p')/release

[ $# -gt 0 ] || set -- $(sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"$/\1/p' fuzz/Cargo.toml)
mkdir -p fuzz/artifacts
echo "fuzz: $# targets of $seconds s, $(nproc) at a time"

# The worst of them is the exit code; each tells its last line.
printf '%s\n' "$@" | xargs -P "$(nproc)" -I TARGET sh -euc '
    mkdir -p "$1/TARGET"
    log=$1/TARGET.log
    if "$2/TARGET" "$1/TARGET" "fuzz/corpus/TARGET" -max_total_time="$3" -timeout=20 -max_len=16384 -rss_limit_mb=2048 \
        -artifact_prefix=fuzz/artifacts/TARGET- >"$log" 2>&1; then
        echo "fuzz: TARGET: $(tail -n 1 "$log")"
    else
        echo "fuzz: TARGET: FAILED" >&2
        tail -n 60 "$log" >&2
        exit 1
    fi' sh "$found" "$programs" "$seconds"
