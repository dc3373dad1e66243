#!/usr/bin/env bash
# Checks that what the tests need is here, and installs the one thing that a build does not: a
# browser. Says what is missing where it cannot be installed.
set -euo pipefail

node_major_min=20

missing() {
    printf 'make test: %s\n' "$1" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null || missing "$1 is missing: $2"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        missing "chromium is missing: install it (apt-get install chromium), or set HERDBOOK_CHROMIUM"
    fi
}

need cargo 'install Rust, see rust-version in Cargo.toml'
need cc 'install a C compiler (apt-get install build-essential)'
need node "install Node.js $node_major_min or later"
need npm "install npm, which comes with Node.js"
node_major=$(node -p 'process.versions.node.split(".")[0]')
[ "$node_major" -ge "$node_major_min" ] ||
    missing "node $node_major is too old: install Node.js $node_major_min or later"

chromium=${HERDBOOK_CHROMIUM:-/usr/bin/chromium}
if [ ! -x "$chromium" ]; then
    [ -z "${HERDBOOK_CHROMIUM:-}" ] || missing "HERDBOOK_CHROMIUM=$chromium cannot be run"
    command -v apt-get >/dev/null || missing "chromium is missing: install it, and set HERDBOOK_CHROMIUM"
    as_root apt-get update -qq </dev/null
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core </dev/null
fi
