#!/usr/bin/env bash
# The small lints that no tool of the languages has: lint.sh shell | sizes | units
set -euo pipefail
cd "$(dirname "$0")/.."

lines_max=400

# Our own files, with or without a repository around them.
sources() {
    find . \( -name target -o -name node_modules -o -name dist -o -name generated -o -name .git \) -prune -o \
        -type f \( "$@" \) -print | sort
}

lint_shell() {
    local file
    while read -r file; do
        bash -n "$file"
        grep -q '^set -euo pipefail$' "$file" || {
            printf '%s: no "set -euo pipefail"\n' "$file" >&2
            return 1
        }
    done < <(sources -name '*.sh' -o -path './.ci/run')
    if command -v shellcheck >/dev/null; then
        sources -name '*.sh' -o -path './.ci/run' | xargs shellcheck
    fi
}

lint_sizes() {
    local long
    long=$(sources -name '*.rs' -o -name '*.ts' -o -name '*.svelte' -o -name '*.mjs' -o -name '*.sh' |
        xargs wc -l | awk -v max="$lines_max" '$2 != "total" && $1 > max')
    [ -z "$long" ] || {
        printf 'files of more than %s lines:\n%s\n' "$lines_max" "$long" >&2
        return 1
    }
}

# systemd checks that programs exist, so they stand in for themselves under a root of our own.
lint_units() {
    command -v systemd-analyze >/dev/null || {
        printf 'units: systemd-analyze is missing, not checked\n'
        return 0
    }
    local unit dir
    dir=$(mktemp -d)
    for unit in packaging/systemd/*.service; do
        sed 's#^ExecStart=/usr/bin/[a-z-]*#ExecStart=/bin/true#' "$unit" >"$dir/${unit##*/}"
        systemd-analyze verify --man=no "$dir/${unit##*/}"
        systemd-analyze security --offline=true --threshold=20 --no-pager "$dir/${unit##*/}" |
            tail -n 1
    done
    rm -r "$dir"
}

case "${1:-}" in
shell | sizes | units) "lint_$1" ;;
*)
    printf 'usage: lint.sh shell | sizes | units\n' >&2
    exit 2
    ;;
esac
