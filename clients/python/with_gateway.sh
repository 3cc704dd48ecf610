#!/bin/sh
# Runs a command with a gateway and a simulated vCenter of its own, whose address is in GATEWAY_TARGET.
#
#   with_gateway.sh <python of the gateway> <command> ...
set -eu

python=$1
shift
files=$(mktemp -d)
mkfifo "$files/output"
"$python" -m gateway serve --simulator --listen 127.0.0.1:0 >"$files/output" 2>"$files/log" &
gateway=$!
trap 'kill "$gateway" 2>/dev/null || true; wait "$gateway" || true; rm -r "$files"' EXIT

# Kept open, so that the gateway can write on.
exec 3<"$files/output"
read -r line <&3 || true
GATEWAY_TARGET=$(printf '%s\n' "$line" | sed -n 's/.* on \([0-9.:]*[0-9]\).*/\1/p')
if [ -z "$GATEWAY_TARGET" ]; then
    cat "$files/log" >&2
    exit 1
fi
export GATEWAY_TARGET
"$@"
