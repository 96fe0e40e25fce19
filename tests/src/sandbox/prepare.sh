# Run once, chrooted into a fresh overlay: leaves systemd with nothing to start but itself, the journal and D-Bus,
# whatever the machine below has installed and enabled. An allow-list, because nobody can list what to mask.
set -eu

# Enabled units, drop-ins and settings of the machine's administrator; but which bus is installed is an alias in there.
bus=$(readlink /etc/systemd/system/dbus.service || true)
rm -rf /etc/systemd
mkdir -p /etc/systemd/system /etc/systemd/journald.conf.d
[ -z "$bus" ] || ln -s "$bus" /etc/systemd/system/dbus.service

# Generators bring in fstab's mounts, ttys and the scripts of /etc/init.d.
for units in /lib/systemd /usr/lib/systemd /usr/local/lib/systemd; do
    rm -rf "$units"/system-generators/* "$units"/system/*.target.wants "$units"/system/*.target.requires
done
want() {
    for unit in $2; do
        [ ! -e "/lib/systemd/system/$unit" ] && [ "$unit" != dbus.service ] && continue
        mkdir -p "/etc/systemd/system/$1.wants"
        ln -s "/lib/systemd/system/$unit" "/etc/systemd/system/$1.wants/$unit"
    done
}
want sockets.target "dbus.socket systemd-journald.socket systemd-journald-dev-log.socket"
want sysinit.target "systemd-journald.service systemd-tmpfiles-setup.service systemd-sysusers.service"
want multi-user.target "dbus.service systemd-user-sessions.service"
ln -s /lib/systemd/system/multi-user.target /etc/systemd/system/default.target
# D-Bus would start these on demand; they need the machine's devices and network.
for unit in systemd-logind systemd-networkd systemd-resolved systemd-timesyncd systemd-udevd; do
    ln -s /dev/null "/etc/systemd/system/$unit.service"
done

echo sandbox >/etc/hostname
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nForwardToSyslog=no\n' \
    >/etc/systemd/journald.conf.d/sandbox.conf
