#!/usr/bin/env bash
# Makes this machine's kernel a node for pods, in namespaces of its own, and runs a command there: a network without a
# way out, mounts that end with the command, and processes that do. Needs root.
#
#     unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc \
#         tests/cluster/node.sh FOLDER COMMAND...
#
# FOLDER/debian has the unpacked packages of Debian's, see node.py.
set -euo pipefail
folder=$(realpath "$1")
shift
debian=$folder/debian
node=198.18.255.1

# The kernel's settings belong to the whole machine: they are read-only here, and what the kubelet would set it finds set.
mount --make-rshared /
for part in kernel vm fs; do
    mount --bind "/proc/sys/$part" "/proc/sys/$part"
    mount -o remount,bind,ro "/proc/sys/$part"
done
mkdir -p "$folder/settings"
for setting in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do
    file=$folder/settings/$(basename "${setting%=*}")
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
done

# The kubelet and the pods' own resolvers write and read where they always do.
mount -t tmpfs tmpfs /var/log
mkdir -p /var/log/containers /var/log/pods
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/lock
echo "nameserver $node" >"$folder/resolv.conf"
mount --bind "$folder/resolv.conf" "$(realpath /etc/resolv.conf)"

mkdir -p "$folder/bin"
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -sf "$debian/usr/sbin/xtables-legacy-multi" "$folder/bin/$name"
done

# Each controller of cgroups' version 1 gets a folder for pods.
for controller in /sys/fs/cgroup/*/; do
    [ -f "$controller/cgroup.procs" ] && mkdir -p "${controller}vcenter-gateway-node" || true
done
pods=/sys/fs/cgroup/cpuset/vcenter-gateway-node
if [ -d "$pods" ]; then
    cat /sys/fs/cgroup/cpuset/cpuset.cpus >"$pods/cpuset.cpus"
    cat /sys/fs/cgroup/cpuset/cpuset.mems >"$pods/cpuset.mems"
fi

ip link set lo up
ip link add node0 type bridge
ip address add "$node/24" dev node0
ip link set node0 up
ip route add default via "$node" dev node0

export LD_LIBRARY_PATH=$debian/usr/lib/$(uname -m)-linux-gnu XTABLES_LIBDIR=$debian/usr/lib/$(uname -m)-linux-gnu/xtables
export PATH=$folder/bin:$debian/usr/bin:$debian/usr/sbin:$PATH
exec "$@"
