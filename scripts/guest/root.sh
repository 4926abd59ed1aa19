# Functions for scripts that boot a Debian 13 with the shipped units in it. Sourced, not run.

# Debian packages that are missing here.
need() { # command, then its packages
    command -v "$1" >/dev/null && return
    shift
    apt-get update -q
    apt-get install -qy --no-install-recommends "$@"
}

# Builds a root once; FILE is there only in a whole one.
build_root() { # root, file, packages with commas
    [ -e "$1/$2" ] && return
    rm -rf "$1"
    mmdebstrap --quiet --variant=minbase --include="$3" trixie "$1" "$(scripts/debian-mirror)"
}

# Program and units as a package installs them, nothing left of an earlier run.
install_gateway() { # root, binary
    install -D -m 755 "$2" "$1/usr/bin/ecg-gateway"
    install -D -m 644 -t "$1/usr/lib/systemd/system" systemd/ecg-gateway.service systemd/ecg-gateway.socket
    install -m 644 -t "$1/usr/lib/systemd/system" systemd/ecg-gateway-backup.service systemd/ecg-gateway-backup.timer
    install -m 644 -t "$1/usr/lib/systemd/system" systemd/ecg-gateway-web.socket systemd/ecg-gateway-web.service
    install -D -m 644 systemd/ecg-gateway.sysusers "$1/usr/lib/sysusers.d/ecg-gateway.conf"
    install -D -m 644 systemd/ecg-gateway.tmpfiles "$1/usr/lib/tmpfiles.d/ecg-gateway.conf"
    install -D -m 644 systemd/60-ecg-gateway.rules -t "$1/usr/lib/udev/rules.d"
    install -D -m 644 ecg-gateway.example.toml "$1/etc/ecg-gateway/ecg-gateway.toml"
    rm -rf "$1/var/lib/ecg-gateway" "$1/var/log/journal"
}

# SCRIPT runs once the system is up; what it prints goes to OUTPUT, a path inside.
install_checks() { # root, script, output
    install -D -m 755 "$2" "$1/usr/local/bin/inside"
    install -D -m 644 tests/systemd/checks.sh -t "$1/usr/local/bin"
    cat >"$1/etc/systemd/system/inside.service" <<UNIT
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/usr/local/bin/inside
StandardOutput=file:$3
StandardError=inherit
UNIT
    mkdir -p "$1/etc/systemd/system/multi-user.target.wants"
    ln -sf ../inside.service "$1/etc/systemd/system/multi-user.target.wants/inside.service"
}
