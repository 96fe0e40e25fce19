# What the tests and the demo need from the machine. Sourced by a POSIX shell, from any directory:
#
#     . tests/prerequisites.sh
#
# As root on Debian it installs what is missing; elsewhere it prints the line to type and exits with status 1.

# Program, and the Debian package that has it.
prerequisites='
cc gcc libc6-dev
curl ca-certificates curl
dbus-daemon dbus
debootstrap debootstrap
go golang-go
make make
mount mount
node nodejs
nsenter util-linux
puma puma
pkcheck polkitd
pkexec pkexec
python3 python3
setpriv util-linux
systemd-analyze systemd
tar tar
unshare util-linux
faketime faketime
wrk wrk
'
prerequisites_root=$(CDPATH='' cd -- "$(dirname -- "${PREREQUISITES:-$0}")/.." && pwd)
# The oldest Rust that builds the workspace is written once, in its Cargo.toml.
rust_needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$prerequisites_root/Cargo.toml")
systemd_needed=252
rust_install='curl --proto =https --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal'

# Whether version $1 is at least $2.
is_at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

is_debian_root() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null
}

give_up() {
    echo "$1" >&2
    shift
    [ $# -eq 0 ] || printf 'type:\n    %s\n' "$*" >&2
    exit 1
}

# From where this machine has Debian itself, which apt-get knows when it has looked once.
debian_mirror() {
    for look in true "apt-get update"; do
        $look >&2
        mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
        [ -z "$mirror" ] || { echo "$mirror" && return; }
    done
    echo "apt-get knows no mirror of Debian" >&2
    return 1
}

# Directories that root's PATH has and others' may not, and where rustup puts cargo.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:${HOME:-/root}/.cargo/bin
export PATH

missing=$(echo "$prerequisites" | while read -r program package; do
    [ -z "$program" ] || command -v "$program" >/dev/null || echo "$package"
done | sort -u | tr '\n' ' ')
if [ -n "$missing" ]; then
    is_debian_root || give_up "missing: $missing" "sudo apt-get update && sudo apt-get install -y $missing"
    echo "installing: $missing" >&2
    # shellcheck disable=SC2086 # one word for each package
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >&2 ||
        give_up "apt-get could not install: $missing"
fi

# Not programs: without the one `python3 -m venv` makes nothing, without the other Puma 5 does not say READY=1.
missing=
/usr/bin/python3 -c 'import ensurepip' 2>/dev/null || missing=python3-venv
/usr/bin/ruby -e 'require "sd_notify"' 2>/dev/null || missing="$missing ruby-sd-notify"
if [ -n "$missing" ]; then
    is_debian_root || give_up "missing: $missing" "sudo apt-get install -y $missing"
    echo "installing: $missing" >&2
    # shellcheck disable=SC2086 # one word for each package
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >&2 ||
        give_up "apt-get could not install: $missing"
fi

# Unpacked and not installed, because the package would start a service on this machine.
node_exporter=prometheus-node-exporter
node_exporter_root=$prerequisites_root/target/tools/$node_exporter
if ! command -v "$node_exporter" >/dev/null && ! [ -x "$node_exporter_root/usr/bin/$node_exporter" ]; then
    command -v apt-get >/dev/null || give_up "missing: $node_exporter, of the Prometheus project"
    echo "unpacking: $node_exporter" >&2
    mkdir -p "$node_exporter_root"
    (
        cd "$node_exporter_root" &&
            { apt-get download "$node_exporter" || { is_debian_root && apt-get update && apt-get download "$node_exporter"; }; } &&
            dpkg-deb --extract "$node_exporter"_*.deb . && rm "$node_exporter"_*.deb
    ) >&2 || give_up "apt-get could not download $node_exporter"
fi

# The same, of Debian 14: its 2.11.4 takes descriptors, the 2.6.2 of Debian 12 does not. It needs a C library of 2.34.
caddy_root=$prerequisites_root/target/tools/caddy
if ! "$caddy_root/usr/bin/caddy" version >/dev/null 2>&1; then
    command -v apt-get >/dev/null || give_up "missing: caddy 2.11 or newer as $caddy_root/usr/bin/caddy"
    echo "unpacking: caddy" >&2
    rm -rf "$caddy_root"
    mkdir -p "$caddy_root/apt/lists/partial"
    # Lists of their own, so that nothing of that release can be installed by mistake.
    forky() {
        apt-get --option Dir::Etc::SourceList="$caddy_root/apt/sources.list" --option Dir::Etc::SourceParts=/dev/null \
            --option Dir::State::Lists="$caddy_root/apt/lists" --option Dir::Cache="$caddy_root/apt" \
            --option APT::Sandbox::User=root --option Acquire::Languages=none "$@"
    }
    (
        cd "$caddy_root" || exit
        mirror=$(debian_mirror) || exit
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror forky main" >apt/sources.list
        forky update && forky download caddy && dpkg-deb --extract caddy_*.deb . && rm -r caddy_*.deb apt
    ) >&2 || give_up "apt-get could not download caddy"
    "$caddy_root/usr/bin/caddy" version >/dev/null || give_up "caddy of Debian 14 does not run on this machine"
fi

rust_found=$(cargo --version 2>/dev/null | cut -d ' ' -f 2)
if [ -z "$rust_found" ]; then
    is_debian_root || give_up "missing: cargo $rust_needed or newer" "$rust_install"
    echo "installing: the stable Rust toolchain, with rustup" >&2
    sh -c "$rust_install" >&2 || give_up "rustup could not install Rust" "$rust_install"
    rust_found=$(cargo --version | cut -d ' ' -f 2)
fi
is_at_least "$rust_found" "$rust_needed" ||
    give_up "cargo is $rust_found, $rust_needed or newer is needed" "rustup update stable, or: $rust_install"

systemd_found=$(systemd-analyze --version | sed -n 's/^systemd \([0-9]*\).*/\1/p')
is_at_least "$systemd_found" "$systemd_needed" ||
    give_up "systemd is $systemd_found, $systemd_needed or newer is needed (Debian 12 has 252)"

grep -q ' cgroup2 ' /proc/mounts ||
    give_up "no cgroup2 hierarchy is mounted" "sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup"
