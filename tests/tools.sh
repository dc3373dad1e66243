#!/usr/bin/env bash
# Checks that what the tests need is here, and installs what a build does not: a browser, the
# tools for network namespaces, and those by which a network names its services. Fetches what is only
# to be run, not installed: Prometheus and Alertmanager. Says what is missing where it cannot be had.
set -euo pipefail

node_major_min=20
debian_tools=$(dirname "$0")/../target/tools/debian

missing() {
    printf 'make test: %s\n' "$1" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null || missing "$1 is missing: $2"
}

# install WHAT PACKAGE…
install() {
    local what=$1 root=()
    shift
    command -v apt-get >/dev/null || missing "$what: install it"
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || missing "$what: install it (apt-get install $*)"
        root=(sudo -n)
    fi
    "${root[@]}" apt-get update -qq </dev/null
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" </dev/null
}

# debian_tool PACKAGE PROGRAM…: a Debian package's programs under target/tools/debian. Nothing of it
# is installed, none of its daemons is started, and no root is needed. A program that the machine has
# is good as well.
debian_tool() {
    local package=$1 program has_all=yes
    shift
    for program in "$@"; do
        [ -x "$debian_tools/usr/bin/$program" ] || command -v "$program" >/dev/null || has_all=
    done
    [ -z "$has_all" ] || return 0
    command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
        missing "$* is missing: install it (package $package of Debian)"
    mkdir -p "$debian_tools/usr/bin"
    (
        cd "$(mktemp -d "$debian_tools/.fetch.XXXXXX")"
        trap 'rm -rf "$PWD"' EXIT
        download "$package" || missing "$package: cannot be downloaded (apt-get download $package)"
        dpkg -x "$package"_*.deb .
        # A rename, so that a program is whole or not there, also where two runs fetch it at once.
        for program in "$@"; do mv -f "usr/bin/$program" ../usr/bin/; done
    )
}

# download PACKAGE: into this folder. Where the machine's own lists lack it, with lists of our own.
download() {
    local own=(-qq -o "APT::Sandbox::User=$(id -un)")
    apt-get "${own[@]}" download "$1" </dev/null 2>/dev/null && return
    mkdir -p apt/lists/partial apt/cache/archives/partial
    own+=(-o "Dir::State::lists=$PWD/apt/lists" -o "Dir::Cache=$PWD/apt/cache")
    apt-get "${own[@]}" update </dev/null && apt-get "${own[@]}" download "$1" </dev/null
}

need cargo 'install Rust, see rust-version in Cargo.toml'
need cc 'install a C compiler (apt-get install build-essential)'
need curl 'install curl (apt-get install curl)'
need node "install Node.js $node_major_min or later"
need npm "install npm, which comes with Node.js"
node_major=$(node -p 'process.versions.node.split(".")[0]')
[ "$node_major" -ge "$node_major_min" ] ||
    missing "node $node_major is too old: install Node.js $node_major_min or later"

chromium=${HERDBOOK_CHROMIUM:-/usr/bin/chromium}
if [ ! -x "$chromium" ]; then
    [ -z "${HERDBOOK_CHROMIUM:-}" ] || missing "HERDBOOK_CHROMIUM=$chromium cannot be run"
    install "chromium is missing, and HERDBOOK_CHROMIUM names none" chromium fonts-dejavu-core
fi

PATH=$PATH:/usr/sbin:/sbin command -v ip >/dev/null || install "ip is missing" iproute2
command -v strace >/dev/null || install "strace is missing" strace
command -v unshare >/dev/null || install "unshare is missing" util-linux
unshare --net true 2>/dev/null || unshare --user --map-root-user --net true 2>/dev/null ||
    missing "no network namespace can be made: run as root, or let users make namespaces"

# without_start COMMAND…: what it installs is neither started now nor, where systemd runs services, at
# the next boot. A machine that has a policy of its own keeps it.
without_start() {
    local policy=/usr/sbin/policy-rc.d root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo -n)
    (
        if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
            trap '"${root[@]}" rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null &&
                "${root[@]}" chmod 755 "$policy" || missing "cannot write $policy as root"
        fi
        "$@"
    )
}

# has PROGRAM: also where root's programs are.
has() {
    PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null
}

# The stories run a responder of their own. One of the machine would answer on its network.
if ! has avahi-daemon; then
    without_start install "avahi is missing" avahi-daemon
    if has systemctl; then
        root=()
        [ "$(id -u)" -eq 0 ] || root=(sudo -n)
        "${root[@]}" systemctl disable --quiet avahi-daemon.socket avahi-daemon.service || true
    fi
fi
has avahi-browse && has dbus-daemon || install "avahi is missing" avahi-utils dbus
has dnsmasq || install "dnsmasq is missing" dnsmasq-base

debian_tool prometheus prometheus promtool
debian_tool prometheus-alertmanager prometheus-alertmanager amtool

# schemathesis, as tests/schemathesis.txt pins it, in an environment of its own.
python_tools() {
    local pins=tests/schemathesis.txt into=target/tools/schemathesis
    cmp -s "$pins" "$into/pins.txt" && return
    command -v python3 >/dev/null && python3 -c 'import ensurepip' 2>/dev/null ||
        install "python3 with venv is missing" python3-venv
    rm -rf "$into"
    python3 -m venv "$into" && "$into/bin/pip" install -q --no-input --disable-pip-version-check \
        -r "$pins" </dev/null || missing "schemathesis cannot be installed (pip install -r $pins)"
    cp "$pins" "$into/pins.txt"
}

cd "$(dirname "$0")/.."
mkdir -p target/tools
python_tools
