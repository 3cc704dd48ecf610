#!/usr/bin/env bash
# Installs the programs that tests need and that only Debian's packages bring, where they are not there: for the
# continuous integration, as root or by sudo. A developer's machine goes without, and skips those tests.
#
#     tools/install_debian.sh chromium
set -euo pipefail
missing=()
for program in "$@"; do
    command -v "$program" >/dev/null || missing+=("$program")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends \
        "${missing[@]}"
} >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
echo "installed: ${missing[*]}"
