#!/usr/bin/env bash
# Runs fuzz targets, each for FUZZ_S seconds, with what their corpus knows: run.sh [TARGET…]
# run.sh --keep [TARGET…] takes into the corpus what reaches more code, and no more than that.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${FUZZ_S:-60}
all=(frame hello answers proc config)
triple=x86_64-unknown-linux-gnu
[ "$(uname -m)" = x86_64 ] || triple=$(uname -m)-unknown-linux-gnu
found=target/fuzz/found
len_max=65536
kept_max=200

# What cargo-fuzz tells the compiler where no sanitizer is wanted: stable Rust takes it, and needs no
# clang. With a target of their own, build scripts and macros are not built so.
build() {
    local flags=(
        -Cpasses=sancov-module
        -Cllvm-args=-sanitizer-coverage-level=4
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
        -Cllvm-args=-sanitizer-coverage-pc-table
        -Cllvm-args=-sanitizer-coverage-trace-compares
    )
    RUSTFLAGS="${flags[*]}" cargo build --locked --profile fuzz --target "$triple" \
        --target-dir target/fuzz -p herdbook-fuzz --features libfuzzer --bins
}

program() {
    printf 'target/fuzz/%s/fuzz/fuzz-%s' "$triple" "$1"
}

# New inputs go to the folder under target. Memory is bounded twice: what is in use, and by the
# address space what one allocation may ask for.
run() {
    local target=$1 own=target/fuzz/corpus/$1
    mkdir -p "$own" "$found"
    printf '%s: %s s\n' "$target" "$seconds"
    if ! (
        ulimit -v 2097152
        "$(program "$target")" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=768 \
            -max_len="$len_max" -artifact_prefix="$found/$target-" -print_final_stats=1 \
            "$own" "tests/fuzz/corpus/$target" "tests/fuzz/seeds/$target"
    ) >"$found/$target.log" 2>&1; then
        tail -n 40 "$found/$target.log" >&2
        printf '%s failed on the input that is named above; to see it again:\n' "$target" >&2
        printf '    %s INPUT\n' "$(program "$target")" >&2
        printf 'then fix it, and keep the input: cp INPUT tests/fuzz/corpus/%s/\n' "$target" >&2
        return 1
    fi
    grep -E 'stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' "$found/$target.log"
    grep -E 'cov: ' "$found/$target.log" | tail -n 1
}

keep() {
    local target=$1 before=tests/fuzz/corpus/$1 after=target/fuzz/kept/$1 n
    rm -rf "$after"
    mkdir -p "$after" "target/fuzz/corpus/$target"
    "$(program "$target")" -merge=1 -max_len=16384 "$after" "$before" "target/fuzz/corpus/$target" \
        "tests/fuzz/seeds/$target" \
        >"$found/$target.merge.log" 2>&1
    n=$(find "$after" -type f | wc -l)
    # The smallest of too many: libFuzzer takes small ones first, so they reach the most. The seeds
    # are whole examples, and stay whatever their size.
    find "$after" -type f -printf '%s %p\n' | sort -n | tail -n +$((kept_max + 1)) | cut -d' ' -f2- |
        xargs -r rm
    rm -rf "$before"
    cp -r "$after" "$before"
    printf '%s: %s inputs reach more code than others, %s are kept\n' "$target" "$n" \
        "$(find "$before" -type f | wc -l)"
}

act=run
if [ "${1:-}" = --keep ]; then
    act=keep
    shift
fi
mkdir -p "$found"
build
for target in "${@:-${all[@]}}"; do
    "$act" "$target"
done
