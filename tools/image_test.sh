#!/usr/bin/env bash
# Builds the image of the Dockerfile and uses it, without Docker, a registry or a daemon: Debian's buildah builds it in
# a chroot, on a base that debootstrap makes and that stands in for the Dockerfile's. Needs Debian 12 or newer and root.
#
#     image_test.sh          # for this machine's architecture
#     image_test.sh arm64    # for another one, emulated by Debian's qemu: takes about ten times as long
#
# Built again from the same commit, the image has the same digest, as long as Debian has the same packages.
#
# The built image then runs as its own user, without capabilities, with a read-only root, no writable place but none
# needed, and without a shell; it answers a real call, and ends in order on SIGTERM.
set -euo pipefail
umask 022 # what the image has can be read by its user
cd "$(dirname "$0")/.."

own=$(dpkg --print-architecture)
arch=$own
case "${1:-}" in "" | --inside) ;; *) arch=$1 ;; esac
work=$PWD/build/image$([ "$arch" = "$own" ] || echo "-$arch")
storage=(--root "$work/storage" --runroot "$work/run" --storage-driver vfs)
suite=bookworm
packages=python3-minimal,python3-venv,ca-certificates
image=localhost/vcenter-gateway:test
base=localhost/debian-python:$suite
# The times of the image are those of the commit; the base, which lasts longer, always has the same one.
epoch=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH=1767225600
port=50951
user=administrator@vsphere.local # the embedded vCenter's, like its password below

say() { printf '%s (%s s)\n' "$1" "$SECONDS"; }
fail() { printf 'image-test: %s\n' "$1" >&2; exit 1; }
run_buildah() { buildah "${storage[@]}" "$@"; }

# The second half, in a mount namespace of its own: ROOT as Kubernetes' restricted profile would have it, shells taken away.
if [ "${1:-}" = --inside ]; then
    root=$2
    work=$3
    mapfile -t environment <"$work/environment"
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
    for _ in $(seq 600); do # an emulated one is slow
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
rm -f "$work/tested"

if ! command -v buildah >/dev/null || ! command -v debootstrap >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends \
        buildah debootstrap >"$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; fail "buildah cannot be installed"; }
    say "buildah and debootstrap are installed"
fi

# The kernel hands programs of the other architecture to qemu, for whoever runs them, until the machine is rebooted.
if [ "$arch" != "$own" ]; then
    case "$arch" in arm64) emulator=qemu-aarch64 ;; amd64) emulator=qemu-x86_64 ;; *) fail "$arch is not supported" ;; esac
    handlers=/proc/sys/fs/binfmt_misc
    if [ ! -e "$handlers/$emulator" ]; then
        if [ ! -e "/usr/lib/binfmt.d/$emulator.conf" ]; then
            DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends \
                qemu-user-static >"$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; fail "qemu cannot be installed"; }
        fi
        [ -e "$handlers/register" ] || mount -t binfmt_misc binfmt_misc "$handlers" 2>/dev/null ||
            fail "this kernel runs no programs of other architectures: it has no binfmt_misc"
        cat "/usr/lib/binfmt.d/$emulator.conf" >"$handlers/register" || fail "$emulator cannot be registered"
    fi
fi

# The base: made once, and again when what it is made of changes.
recipe="$suite $packages $base $arch $SOURCE_DATE_EPOCH"
if [ "$(cat "$work/recipe" 2>/dev/null)" != "$recipe" ] || ! run_buildah images --quiet "$base" >/dev/null 2>&1; then
    rm -rf "$work/base" "$work/recipe"
    debootstrap --arch="$arch" --variant=minbase --include="$packages" "$suite" "$work/base" >"$work/debootstrap.log" 2>&1 ||
        { tail -n 20 "$work/debootstrap.log" >&2; fail "the base cannot be made"; }
    # As a slim image is: no package lists, no manuals, no translations. Nothing of this machine or this day either.
    rm -rf "$work"/base/var/{cache/apt,lib/apt/lists,log,cache/ldconfig,cache/debconf}/* \
        "$work"/base/usr/share/{doc,man,locale}/* "$work"/base/etc/{hostname,resolv.conf,machine-id} \
        "$work"/base/var/lib/dpkg/*-old
    chroot "$work/base" /usr/bin/python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3* >/dev/null
    container=$(run_buildah from --arch "$arch" scratch)
    run_buildah add --quiet "$container" "$work/base" / >/dev/null
    run_buildah config --arch "$arch" "$container"
    run_buildah commit --quiet --rm --timestamp "$SOURCE_DATE_EPOCH" "$container" "$base" >/dev/null
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
run_buildah build --quiet --isolation chroot --pull-never --network host --arch "$arch" --timestamp "$epoch" \
    --identity-label=false --build-arg "BASE=$base" --build-arg "REVISION=$(git rev-parse HEAD)" \
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
expect architecture "$(inspect '{{.OCIv1.Architecture}}')" "$arch"
expect base "$(inspect '{{index .OCIv1.Config.Labels "org.opencontainers.image.base.name"}}')" "$base"
! run_buildah inspect --type image "$image" | grep -qF "$authorities" ||
    fail "pip's configuration is in the image's description"

container=$(run_buildah from --arch "$arch" --pull-never "$image")
root=$(run_buildah mount "$container")
[ ! -e "$root/opt/vcenter-gateway/bin/pip" ] || fail "pip is in the image"
! find "$root" -xdev -path "$root/run/secrets/*" | grep -q . || fail "the build's secret is in the image"
! find "$root/opt" -perm /022 ! -type l | grep -q . || fail "somebody but root may write to the gateway's files"
total=$(du -sm --apparent-size "$root" | cut -f1)
own=$(du -sm --apparent-size "$root/opt/vcenter-gateway" | cut -f1)

inspect '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' | sed '/^$/d' >"$work/environment"
unshare --mount --propagation private "$0" --inside "$root" "$work"
say "the image serves: user 65532, read-only, no shell; ListVms answered, SIGTERM obeyed"
touch "$work/tested" # what release_artifacts.py looks for
printf 'size: %s MB, of which the gateway and its dependencies %s MB\n' "$total" "$own"
