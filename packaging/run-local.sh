#!/usr/bin/env bash
# Starts a collector and the agent of this machine from DIR, prints the page's address, and stops
# both on Ctrl-C. What they remember lies under XDG_STATE_HOME.
set -euo pipefail

programs=${1:?usage: run-local.sh DIR}
listen=${HERDBOOK_LISTEN:-127.0.0.1:6121}
state=${XDG_STATE_HOME:-$HOME/.local/state}/herdbook
unset HERDBOOK_LISTEN

collector=
agent=
stopping=

stop() {
    stopping=yes
    # The agent first, so that it can say goodbye.
    for pid in $agent $collector; do
        kill -TERM "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}
trap stop INT TERM
trap stop EXIT

mkdir -p "$state"

# Its first line tells that it is ready; without one it has said why on stderr.
pipe=$(mktemp -d)
mkfifo "$pipe/ready"
"$programs/herdbook-collector" --listen "$listen" --data-dir "$state/collector" >"$pipe/ready" &
collector=$!
exec {ready}<"$pipe/ready"
rm -r "$pipe"
if ! read -r line <&"$ready"; then
    wait "$collector" && code=0 || code=$?
    exit "$code"
fi
url=${line#listening on }

"$programs/herdbook-agent" --collector "$url" --state-dir "$state/agent" &
agent=$!

printf '\n  The page: %s/\n  Ctrl-C stops.\n\n' "${url%/}"

# Whoever ends first ends the other.
wait -n "$collector" "$agent" && code=0 || code=$?
[ -z "$stopping" ] || exit 0
exit "$code"
