# The first process of a node's machine, started in new network, mount, UTS, IPC and process namespaces.
# $1: the node's folder, $2: its host name. The machine lives as long as this process.
set -e

# A sysfs that shows this machine's network, with the cgroup tree (which a fresh sysfs lacks) bound back.
mount --rbind /sys/fs/cgroup "$1/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$1/cgroup" /sys/fs/cgroup

# Its own /etc (an engine keeps its identity there) and its own /run (every machine has its /run/docker.sock).
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc-work" /etc
mount --bind "$1/run" /run
# The identity and the settings of an engine that this machine itself may have are none of ours.
rm -rf /etc/docker

# With an unreachable name server every pull by tag would hang for 10 to 20 seconds; with none there it fails at once.
rm -rf /etc/resolv.conf /etc/hostname
echo "nameserver 127.0.0.1" >/etc/resolv.conf
echo "$2" >/etc/hostname
hostname "$2"

: >"$1/ready"
# `wait` in a shell that is process 1 also reaps the orphans of a killed engine.
while :; do sleep 86400; done
