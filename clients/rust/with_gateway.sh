#!/bin/sh
# Runs a command with a gateway and a simulated vCenter of its own, whose address is in GATEWAY_TARGET.
#
#   with_gateway.sh <python> <command> ...
set -eu

python=$1
shift
output=$(mktemp -d)
trap 'kill "$gateway" 2>/dev/null || true; rm -r "$output"' EXIT

mkfifo "$output/first-line"
"$python" -m gateway serve --simulator --listen 127.0.0.1:0 >"$output/first-line" 2>"$output/log" &
gateway=$!

read -r line <"$output/first-line" || true
GATEWAY_TARGET=$(printf '%s\n' "$line" | sed -n 's/.* on \([0-9.:]*[0-9]\).*/\1/p')
if [ -z "$GATEWAY_TARGET" ]; then
    cat "$output/log" >&2
    exit 1
fi
export GATEWAY_TARGET
"$@"
