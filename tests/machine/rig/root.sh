#!/bin/bash
# Builds the disk image of the rig's machines: a plain Debian with what the machine tests run on it. `root.sh servers`: with
# the brokers, caches and databases besides, all of them disabled. `root.sh bookworm` and `root.sh trixie`: Debian 12 and
# 13 as their installer leaves them on a server, and nothing else.
#
# Prints one line, the path of the finished root. It is the read-only lower layer of every machine's overlay, so nothing
# may ever write to it. The first call takes a minute and needs the network (apt's own sources); later calls take a few
# milliseconds. A root is named by the hash of this very file: change a line here and the next run builds a new one.
#
# STEADFAST_RIG_CACHE moves the cache. Needs root.
set -euo pipefail

readonly CACHE=${STEADFAST_RIG_CACHE:-/var/cache/steadfast-rig}
# What all machines run, unless they are asked for by the name of another release.
readonly RELEASE=bookworm
readonly PACKAGES=(
  # the system under test: PID 1, both buses, logins and lingering, and who may do what
  systemd systemd-sysv dbus dbus-user-session libpam-systemd polkitd
  # what the masters of the outages run on
  python3 gunicorn php-cli
  # a file system that hangs on request
  fuse3 python3-fusepy
  # what tests and people look with
  bash procps util-linux iproute2 less curl jq sqlite3
  # another supervisor on the same unit
  monit
)

# The real servers that probes ask, and the real clients that outages need.
readonly SERVERS=(
  redis-server memcached rabbitmq-server postgresql mariadb-server nginx openssl
  python3-aiosmtpd python3-celery python3-redis python3-amqp php-fpm puma
  ruby-sidekiq ruby-delayed-job-active-record ruby-pg
  # who reads our metrics, judges the shipped rules and passes on what they say
  prometheus prometheus-alertmanager
  # where processes are left behind, and who else keeps them up
  tmux cron supervisor
  # who gives out slots of a fleet
  etcd-server
)

# What the installer puts on a server: the tasks "standard" and "ssh-server", as far as it means something in a container.
readonly STANDARD=(
  systemd systemd-sysv systemd-timesyncd dbus dbus-user-session libpam-systemd polkitd udev
  cron logrotate man-db openssh-server ifupdown apparmor e2fsprogs unattended-upgrades
  bash-completion procps util-linux iproute2 less vim-tiny nano python3 jq
)

say() { printf 'rig: %s\n' "$*" >&2; }

install_tools() {
  local missing=()
  command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
  command -v ip >/dev/null || missing+=(iproute2)
  command -v systemd-nspawn >/dev/null || missing+=(systemd-container)
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# Makes the fresh root fit to be a container's disk. Every unit switched off here is one that cannot do its work there.
tune() {
  local root=$1
  # Each machine gets its own identity at its first boot. Empty, not absent: absent means "first boot", and systemd would
  # then apply every preset, which a running Debian never does.
  : >"$root/etc/machine-id"
  rm -f "$root/var/lib/dbus/machine-id" "$root/etc/hostname" "$root/etc/resolv.conf"
  # Only where a test asks for it.
  rm -f "$root"/etc/rc?.d/[SK]??monit
  # A journal that outlives a reboot.
  mkdir -p "$root/var/log/journal"
}

# A test starts what it needs: a machine that boots all of it takes half a minute.
silence() {
  local unit
  for unit in redis-server memcached rabbitmq-server epmd postgresql mariadb nginx php8.2-fpm prometheus prometheus-alertmanager \
    cron supervisor etcd; do
    systemctl --root="$1" disable --quiet "$unit.service" 2>/dev/null || true
    systemctl --root="$1" disable --quiet "$unit.socket" 2>/dev/null || true
  done
  # Certificates and databases are the same for all tests of one root; nobody else sees them.
  rm -f "$1"/etc/rc?.d/[SK]??{redis-server,memcached,rabbitmq-server,postgresql,mariadb,nginx,php8.2-fpm,prometheus,prometheus-alertmanager,cron,supervisor,etcd}
}

build() {
  local root=$1 scratch
  scratch=$(mktemp -d "$CACHE/building.XXXXXX")
  say "building the machines' root (about a minute, once)"
  local include release=$RELEASE
  local packages=("${PACKAGES[@]}")
  case $kind in
    plain) ;;
    servers) packages+=("${SERVERS[@]}") ;;
    *) packages=("${STANDARD[@]}") release=$kind ;;
  esac
  include=$(IFS=,; echo "${packages[*]}")
  if ! mmdebstrap --quiet --variant=minbase --include="$include" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$release" "$scratch/root" >"$scratch/log" 2>&1; then
    cat "$scratch/log" >&2
    say "cannot build the root: mmdebstrap failed"
    return 1
  fi
  tune "$scratch/root"
  [ "$kind" != servers ] || silence "$scratch/root"
  mv -T "$scratch/root" "$root"
  rm -rf "$scratch"
}

main() {
  kind=${1:-plain}
  case $kind in
    plain | servers | bookworm | trixie) ;;
    *) say "cannot build $kind: known are plain, servers, bookworm and trixie"; exit 1 ;;
  esac
  [ "$(id -u)" = 0 ] || { say "cannot build machines: not root"; exit 1; }
  local hash root
  hash=$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-16)
  root=$CACHE/$RELEASE-$hash
  [ "$kind" = plain ] || root+=-$kind
  if [ ! -d "$root" ] || ! command -v systemd-nspawn >/dev/null; then
    mkdir -p "$CACHE"
    exec 9>"$CACHE/lock"
    flock 9
    # we hold the lock, so whatever is still being built has no builder any more
    rm -rf "$CACHE"/building.*
    install_tools
    [ -d "$root" ] || build "$root"
    exec 9>&-
  fi
  echo "$root"
}

main "$@"
