#!/usr/bin/env bash
# Builds the image of the Dockerfile and uses it, without Docker, a registry or a daemon: Debian's buildah builds it in
# a chroot, on a base that debootstrap makes and that stands in for the Dockerfile's. Needs Debian 12 or newer and root.
#
# The built image then runs as its own user, without capabilities, with a read-only root, no writable place but none
# needed, and without a shell; it answers a real call, and ends in order on SIGTERM.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$PWD/build/image
storage=(--root "$work/storage" --runroot "$work/run" --storage-driver vfs)
suite=bookworm
packages=python3-minimal,python3-venv,ca-certificates
image=localhost/vcenter-gateway:test
base=$(sed -n 's/^ARG BASE=//p' Dockerfile)
port=50951
user=administrator@vsphere.local # the embedded vCenter's, like its password below

say() { printf '%s (%s s)\n' "$1" "$SECONDS"; }
fail() { printf 'image-test: %s\n' "$1" >&2; exit 1; }
run_buildah() { buildah "${storage[@]}" "$@"; }

# The second half, in a mount namespace of its own: ROOT as Kubernetes' restricted profile would have it, shells taken away.
if [ "${1:-}" = --inside ]; then
    root=$2
    mapfile -t environment <"$3"
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    for shell in "$root"/usr/bin/{sh,dash,bash}; do
        [ ! -f "$shell" ] || [ -L "$shell" ] || mount --bind /dev/null "$shell"
    done
    mount -o remount,ro,bind "$root"
    as_user() {
        exec env --ignore-environment PATH=/usr/sbin:/usr/bin \
            setpriv --no-new-privs chroot --userspec=65532:65532 --groups= "$root" \
            /usr/bin/env "${environment[@]}" "VCENTER_PASSWORD=VMware1!" "$@"
    }
    ! (as_user sh -c true) 2>/dev/null || fail "there is a shell left"
    ! (as_user python -c 'open("/tmp/x", "w")') 2>/dev/null || fail "something can be written"
    # With traces, for which there is no collector: it starts only where the image has what they take.
    (as_user vcenter-gateway serve --simulator --tracing \
        --listen "0.0.0.0:$port" --admin-listen "127.0.0.1:$((port + 1))") \
        >"$work/serve.log" 2>&1 &
    server=$!
    trap 'kill -KILL "$server" 2>/dev/null || true' EXIT
    for _ in $(seq 100); do
        ! grep -q "serving http" "$work/serve.log" || break
        kill -0 "$server" 2>/dev/null || { cat "$work/serve.log" >&2; fail "the gateway ended by itself"; }
        sleep 0.1
    done
    grep -q '^Uid:.65532.65532.65532.65532$' "/proc/$server/status" || fail "it does not run as 65532"
    grep -q '^CapEff:.0*$' "/proc/$server/status" || fail "it has capabilities"
    (as_user vcenter-gateway call --target "127.0.0.1:$port" --user "$user" ListVms) >"$work/call.log" 2>&1 ||
        { cat "$work/call.log" "$work/serve.log" >&2; fail "the call failed"; }
    grep -q '"vm": "vm-1001"' "$work/call.log" || { cat "$work/call.log" >&2; fail "the answer is not the expected one"; }
    for path in readyz metrics; do
        (as_user python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$((port + 1))/$path')") 2>&1 ||
            fail "the admin port does not answer /$path"
    done
    kill -TERM "$server"
    wait "$server" || fail "it did not end in order on SIGTERM"
    trap - EXIT
    exit
fi

[ "$(id -u)" = 0 ] || fail "it takes root, for chroot and mounts"
mkdir -p "$work"

if ! command -v buildah >/dev/null || ! command -v debootstrap >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends \
        buildah debootstrap >"$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; fail "buildah cannot be installed"; }
    say "buildah and debootstrap are installed"
fi

# The base: made once, and again when what it is made of changes.
recipe="$suite $packages $base"
if [ "$(cat "$work/recipe" 2>/dev/null)" != "$recipe" ] || ! run_buildah images --quiet "$base" >/dev/null 2>&1; then
    rm -rf "$work/base" "$work/recipe"
    debootstrap --variant=minbase --include="$packages" "$suite" "$work/base" >"$work/debootstrap.log" 2>&1 ||
        { tail -n 20 "$work/debootstrap.log" >&2; fail "the base cannot be made"; }
    # As a slim image is: no package lists, no manuals, no translations.
    rm -rf "$work"/base/var/{cache/apt,lib/apt/lists}/* "$work"/base/usr/share/{doc,man,locale}/*
    container=$(run_buildah from scratch)
    run_buildah add --quiet "$container" "$work/base" / >/dev/null
    run_buildah commit --quiet --rm "$container" "$base" >/dev/null
    rm -rf "$work/base"
    echo "$recipe" >"$work/recipe"
    say "the base is made"
fi

# pip gets this machine's configuration as a secret of the build, and its authorities as a volume: neither gets into a
# layer, nor does a folder of local wheels, which is not there in the build.
secrets=$(mktemp -d)
container=""
finish() {
    [ -z "$container" ] || run_buildah rm "$container" >/dev/null 2>&1 || true
    rm -rf "$secrets"
}
trap finish EXIT
authorities=/etc/ssl/certs/ca-certificates.crt
{
    echo "[global]"
    # Variables beat files here too, which come after them in the list.
    { python3 -m pip config list 2>/dev/null || true; } |
        sed -nE "s/^(:env:|global|install)\.([a-z-]+)='(.*)'$/\2 = \3/p" |
        sed -E '/^(cert|find-links) /d' | awk -F ' = ' '!seen[$1]++'
    echo "cert = $authorities"
} >"$secrets/pip"
run_buildah build --quiet --isolation chroot --pull-never --network host \
    --secret "id=pip,src=$secrets/pip" --volume "$authorities:$authorities:ro" \
    --build-arg "VERSION=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' gateway/__init__.py)" \
    --tag "$image" . >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; fail "the build failed"; }
run_buildah rmi --prune >/dev/null 2>&1 || true # what the last build left
say "the image is built"

# What the image says about itself.
inspect() { run_buildah inspect --type image --format "$1" "$image"; }
expect() { [ "$2" = "$3" ] || fail "the image's $1 is $2, not $3"; }
expect user "$(inspect '{{.OCIv1.Config.User}}')" 65532:65532
expect entrypoint "$(inspect '{{.OCIv1.Config.Entrypoint}}')" '[vcenter-gateway]'
expect command "$(inspect '{{.OCIv1.Config.Cmd}}')" '[serve]'
expect "stop signal" "$(inspect '{{.OCIv1.Config.StopSignal}}')" SIGTERM
expect base "$(inspect '{{index .OCIv1.Config.Labels "org.opencontainers.image.base.name"}}')" "$base"
! run_buildah inspect --type image "$image" | grep -qF "$authorities" ||
    fail "pip's configuration is in the image's description"

container=$(run_buildah from --pull-never "$image")
root=$(run_buildah mount "$container")
[ ! -e "$root/opt/vcenter-gateway/bin/pip" ] || fail "pip is in the image"
! find "$root" -xdev -path "$root/run/secrets/*" | grep -q . || fail "the build's secret is in the image"
! find "$root/opt" -perm /022 ! -type l | grep -q . || fail "somebody but root may write to the gateway's files"
total=$(du -sm --apparent-size "$root" | cut -f1)
own=$(du -sm --apparent-size "$root/opt/vcenter-gateway" | cut -f1)

inspect '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' | sed '/^$/d' >"$work/environment"
unshare --mount --propagation private "$0" --inside "$root" "$work/environment"
say "the image serves: user 65532, read-only, no shell; ListVms answered, SIGTERM obeyed"
printf 'size: %s MB, of which the gateway and its dependencies %s MB\n' "$total" "$own"
