#!/bin/sh
# Runs a command while a gateway with the simulated vCenter runs: with_gateway.sh PYTHON COMMAND...
set -eu
python=$1
shift
folder=$(mktemp -d)
mkfifo "$folder/output"
"$python" -m gateway serve --simulator --listen 127.0.0.1:0 >"$folder/output" 2>"$folder/log" &
gateway=$!
trap 'kill $gateway 2>/dev/null; wait $gateway || true; rm -r "$folder"' EXIT
exec 3<"$folder/output"
read -r line <&3 || { cat "$folder/log" >&2; exit 1; }
GATEWAY_TARGET=$(expr "$line" : '.* on \(.*:[0-9][0-9]*\)')
export GATEWAY_TARGET GATEWAY_USER=administrator@vsphere.local GATEWAY_PASSWORD='VMware1!'
"$@" || { cat "$folder/log" >&2; exit 1; }
