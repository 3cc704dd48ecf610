#!/usr/bin/env bash
# Runs the tests that need nothing but Python with another version of it: one on the PATH, or else the one of a Debian
# release that has it, unpacked below build/ and entered by chroot, which takes root.
#
#     python_test.sh            # the newest that Debian has and the package supports
#     python_test.sh 3.13
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:-3.14}
case "$version" in 3.11) suite=bookworm ;; 3.13) suite=trixie ;; 3.14) suite=forky ;; *) suite= ;; esac
root=$PWD
work=$root/build/python/$version
tests=(tests/unit tests/contract tests/property)
authorities=/etc/ssl/certs/ca-certificates.crt

# Debian's testing release moves on by itself: where it no longer has the version, that is said, and fails nothing.
missing() { echo "Python $version: skipped, $1"; exit 0; }
# In the environment at $1, made with the command $2.
run_tests() {
    if [ ! -e "$1/$(cksum <requirements/dev.txt | tr -d ' ')" ]; then
        "$2" -m venv --clear "$1"
        "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
            -r requirements/dev.txt
        touch "$1/$(cksum <requirements/dev.txt | tr -d ' ')"
    fi
    "$1/bin/python" --version
    PYTHONPATH=$root PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis \
        "$1/bin/python" -m pytest -q -p no:cacheprovider "${tests[@]}"
}

if [ "${2:-}" = --inside ]; then
    run_tests "/environment" "python$version"
    exit
fi

mkdir -p "$work"
if "python$version" -c '' 2>/dev/null; then
    run_tests "$work/environment" "python$version"
    exit
fi
[ -n "$suite" ] || missing "there is none on the PATH, and no Debian release has it"
[ "$(id -u)" = 0 ] || missing "there is none on the PATH, and only root can unpack and enter Debian's"
tools/install_debian.sh debootstrap
if [ ! -e "$work/ready" ]; then
    rm -rf "$work/debian"
    # An older debootstrap does not know newer releases by name; they are made like sid.
    known=/usr/share/debootstrap/scripts/$suite
    [ -e "$known" ] || known=/usr/share/debootstrap/scripts/sid
    debootstrap --variant=minbase --include="python$version-venv,ca-certificates,git" "$suite" "$work/debian" \
        "" "$known" >"$work/debootstrap.log" 2>&1 ||
        { tail -n 20 "$work/debootstrap.log"; missing "Debian's $suite cannot be unpacked"; }
    touch "$work/ready"
fi
unshare --mount --propagation private mount -t tmpfs tmpfs "$work/debian/tmp" 2>/dev/null ||
    missing "there is none on the PATH, and nothing can be mounted to enter Debian's"
# The source tree, and where its git repository is, stand at the same places inside, and cannot be written.
repository=$(cd "$(git rev-parse --git-common-dir)" && pwd)
unshare --mount --propagation private bash -euc '
    inside=$1 root=$2 repository=$3 authorities=$4
    mount -t tmpfs tmpfs "$inside/tmp" # First, since the source tree may be below /tmp.
    for place in "$root" "$repository"; do
        mkdir -p "$inside$place"
        mount --bind "$place" "$inside$place"
        mount -o remount,ro,bind "$inside$place"
    done
    touch "$inside/authorities.crt" && mount --bind "$authorities" "$inside/authorities.crt"
    mount --rbind /dev "$inside/dev"
    mount -t proc proc "$inside/proc"
    cp /etc/resolv.conf /etc/hosts "$inside/etc/"
    exec env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PIP_CERT=/authorities.crt \
        chroot "$inside" bash "$root/tools/python_test.sh" "$5" --inside
' bash "$work/debian" "$root" "$repository" "$authorities" "$version"
