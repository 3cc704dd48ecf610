#!/bin/sh
# What `make bench` needs beside Python: h2load, and nginx with the module that lets it answer late.
set -eu

PACKAGES="nghttp2-client nginx-light libnginx-mod-http-echo"

command -v h2load >/dev/null && command -v nginx >/dev/null && command -v taskset >/dev/null &&
    [ -f /usr/lib/nginx/modules/ngx_http_echo_module.so ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The benchmark needs $PACKAGES: install them as root, with apt-get install (Debian)." >&2
    exit 1
fi
echo "Installing $PACKAGES."
fresh=
command -v nginx >/dev/null || fresh=yes
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# shellcheck disable=SC2086 # several words are meant
apt-get -qq install --no-install-recommends $PACKAGES >/dev/null
# The package starts a server of its own; the benchmark starts another one.
[ -z "$fresh" ] || service nginx stop >/dev/null 2>&1 || true
