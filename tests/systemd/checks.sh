# What the checks inside a booted guest have in common. Sourced, not run.
failed=0
check() { # name, then a command that must succeed
    local name=$1
    shift
    if "$@" >/tmp/check.log 2>&1; then
        echo "ok: $name"
    else
        echo "FAILED: $name"
        sed 's/^/    /' /tmp/check.log | tail -n 20
        failed=1
    fi
}
property() { systemctl show --value --property "$1" ecg-gateway.service; }
ask() { curl --silent --fail --max-time 10 --unix-socket /run/ecg-gateway/api.sock "http://localhost$1"; }
is() { [ "$1" = "$2" ] || { echo "found $1, expected $2"; return 1; }; }
matches() { [[ "$1" =~ $2 ]] || { echo "found $1, expected $2"; return 1; }; }
override() { # lines for the unit's [Service] section
    mkdir -p /run/systemd/system/ecg-gateway.service.d
    { echo "[Service]"; printf '%s\n' "$@"; } >/run/systemd/system/ecg-gateway.service.d/test.conf
    systemctl daemon-reload
}
finish() { # name of the script
    echo "what the unit was told:"
    journalctl --unit ecg-gateway --no-pager --output cat | sed 's/^/    /' | tail -n 40
    [ "$failed" = 0 ] && echo "$1: everything holds" || echo "$1: FAILED"
    systemctl poweroff --no-block
}
