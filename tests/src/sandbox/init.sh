# What runs as PID 1 of a sandbox until it becomes systemd: makes the file systems of a small container of the overlay.
#
# usage: sh -c "$init" init ROOT
set -eu
root=$1

# /proc is still the machine's own, in which "self" is this shell's PID as the machine sees it.
read -r pid rest </proc/self/stat
echo "$pid" >/mnt/pid1
echo "pid $pid"

cd "$root"
mkdir -p proc sys dev run tmp mnt var/tmp

mount -t proc -o nosuid,nodev,noexec proc proc
# systemd raises fs.file-max and others at boot, which would be the machine's; only the network's are this namespace's.
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
if [ -e proc/sysrq-trigger ]; then
    mount --bind /dev/null proc/sysrq-trigger
fi

mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup

# journald makes /dev/log and programs use /dev/shm: the machine's own /dev must not get them.
mount -t tmpfs -o mode=755,nosuid sandbox dev
mkdir dev/pts dev/shm
for node in null zero full random urandom tty; do
    touch "dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
# The kernel's log is the machine's: what would be written to it is kept here when a test asks. Not for all: journald of 262 starts with
# a log that is a device, or with none.
[ ! -e etc/sandbox-kmsg ] || : >dev/kmsg
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,nosuid,noexec devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev sandbox dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr

mount -t tmpfs -o mode=755,nosuid,nodev sandbox run
mount -t tmpfs -o mode=1777,nosuid,nodev sandbox tmp
touch run/sandbox-notify
mount --bind /mnt/notify run/sandbox-notify

pivot_root . mnt
cd /
umount -l /mnt
# Without this LoadCredential= gives an empty directory on 252 and 257.
mount --make-rshared /

exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin container=lxc NOTIFY_SOCKET=/run/sandbox-notify \
    /lib/systemd/systemd --system --show-status=no --log-target=journal </dev/null >/dev/null 2>&1
