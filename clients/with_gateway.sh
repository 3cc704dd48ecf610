#!/bin/sh
# Runs a command while a gateway with the embedded vCenter runs: with_gateway.sh PYTHON COMMAND...
#
# PYTHON has the gateway installed. The command finds the gateway in GATEWAY_TARGET, and who it is in GATEWAY_USER and
# GATEWAY_PASSWORD. What the gateway logged is shown when the command fails.
set -eu
python=$1
shift

folder=$(mktemp -d)
gateway=
trap '[ -z "$gateway" ] || { kill "$gateway" 2>/dev/null || true; wait "$gateway" || true; }; rm -r "$folder"' EXIT
mkfifo "$folder/announcement"
env -u GATEWAY_TARGET -u GATEWAY_USER -u GATEWAY_PASSWORD \
    "$python" -m gateway serve --simulator --listen 127.0.0.1:0 >"$folder/announcement" 2>"$folder/log" &
gateway=$!

exec 3<"$folder/announcement"  # Stays open, so that the gateway can go on writing.
read -r line <&3 || { cat "$folder/log" >&2; exit 1; }
GATEWAY_TARGET=$(printf '%s\n' "$line" | sed -n 's/.* on \([0-9.:]*[0-9]\).*/\1/p')
export GATEWAY_TARGET GATEWAY_USER=administrator@vsphere.local GATEWAY_PASSWORD='VMware1!'
"$@" || { cat "$folder/log" >&2; exit 1; }
