# The supervisor of one sandbox: the only process of it that is not inside its PID namespace.
#
# It runs in a session, a mount namespace and a network namespace of its own, so neither Ctrl-C nor the death of the
# test process reaches it. Its standard input is a pipe whose other end the test process alone holds: the kernel closes
# that end however the test process dies, and the supervisor then takes everything down. All mounts are in its private
# mount namespace and go with it; the cgroup is the one thing that it has to remove by hand.
#
# usage: sh -c "$supervisor" supervisor LOWER PREPARE INIT
# On standard input: "boot", as often as wanted. On standard output: "mounted", then "pid N" for each boot.
set -eu
trap '' HUP INT TERM

lower=$1
prepare=$2
init=$3

# Mounted by hand or hybrid (/sys/fs/cgroup/unified), or the only hierarchy (/sys/fs/cgroup).
cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$cgroups" ] || { echo "sandbox: no cgroup2 hierarchy is mounted on this machine" >&2; exit 1; }

# A cgroup's directory goes away only when no task is in it, and the kernel takes a moment to unlink dead tasks.
remove_cgroup() {
    tries=0
    until find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || [ ! -d "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -le 200 ] || { echo "sandbox: cannot remove $1" >&2; return 0; }
        # A dead task that is still linked is in no state that could be awaited: `populated` of cgroup.events is 0 by then.
        sleep 0.01
    done
}

# Directories whose supervisor was itself killed: their name holds its PID.
for stale in "$cgroups"/sockact-e2e-*; do
    owner=${stale##*/sockact-e2e-}
    [ ! -d "$stale" ] || [ -d "/proc/${owner%%-*}" ] || remove_cgroup "$stale"
done

# A relative lowerdir needs no escaping of ':' and ',' and is not hidden by what is mounted next.
cd "$lower"
mount -t tmpfs -o mode=755 sandbox /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=.,upperdir=/mnt/upper,workdir=/mnt/work sandbox /mnt/root
cd /
# An empty machine-id would mean a first boot, which enables every installed unit by preset.
tr -d - </proc/sys/kernel/random/uuid >/mnt/root/etc/machine-id
chroot /mnt/root sh -c "$prepare"

unshare_pid=
kill_machine() {
    [ -n "$unshare_pid" ] || return 0
    # SIGTERM does not end a PID 1. Its death kills all that is in the namespace, and unshare exits when that is done.
    kill -KILL "$(cat /mnt/pid1 2>/dev/null || echo "$unshare_pid")" 2>/dev/null || true
    wait "$unshare_pid" || true
    remove_cgroup "$cgroup"
    unshare_pid=
    rm -f /mnt/pid1
}

boot_machine() {
    cgroup=$(mktemp -d "$cgroups/sockact-e2e-$$-XXXXXX")
    (
        # Joined before the cgroup namespace is made, so that this directory becomes the root of what systemd sees.
        # A cgroup counts the shell itself: "0" is the writing process.
        echo 0 >"$cgroup/cgroup.procs"
        # If the supervisor is killed then unshare is, and with it PID 1.
        exec setpriv --pdeathsig KILL \
            unshare --mount --pid --uts --ipc --cgroup --kill-child sh -c "$init" init /mnt/root
    ) </dev/null 2>>/mnt/log &
    unshare_pid=$!
}

echo mounted
while read -r request; do
    case $request in
    boot)
        kill_machine
        boot_machine
        ;;
    *) echo "sandbox: unknown request '$request'" >&2 ;;
    esac
done
kill_machine
