# What the experiments share. One ends with `harm WHAT` when it saw the harm, with status 0 when there is none; anything else is no result.
set -eu

harm() {
    echo "harm: $*"
    exit 10
}

# Until a condition holds, for at most five seconds. It is asked again and again: it may be anything, and nothing tells when it holds.
soon() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || return 1
        # What a rule waits for is of many kinds, and most of them tell nobody.
        sleep 0.05
    done
}

# drop_in UNIT LINE...: for both kinds of units, the bad and the good.
drop_in() {
    folder="/run/systemd/system/$1.d"
    shift
    mkdir -p "$folder"
    printf '%s\n' "$@" >>"$folder/experiment.conf"
    systemctl daemon-reload
}

# What a user gets; nothing when nobody answers in time.
get() {
    curl --silent --max-time "${2:-2}" "http://127.0.0.1:${1:-8080}/" || true
}

# Whether systemd itself holds a listening TCP socket on this port.
pid1_listens() {
    inode=$(awk -v port=":$(printf '%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10 }' \
        /proc/net/tcp /proc/net/tcp6 | head -n 1)
    [ -n "$inode" ] && ls -l /proc/1/fd | grep -q "socket:\[$inode\]"
}

# Until systemd has no job left: `systemctl stop` waits for the units that it names, and not for those that follow.
settle() {
    soon no_jobs
}

no_jobs() {
    [ -z "$(systemctl list-jobs --no-legend)" ]
}

active() {
    systemctl is-active --quiet "$1"
}

failed() {
    systemctl is-failed --quiet "$1"
}

show() {
    systemctl show --property="$2" --value "$1"
}

environment() {
    tr '\0' '\n' <"/proc/$(show "$1" MainPID)/environ" | sed -n "s/^$2=//p"
}
