#!/bin/bash
# Ends one machine and removes every trace of it: processes, mounts, control groups, files.
#
#   keeper.sh SCRATCH MACHINE CGROUP...      the first CGROUP is the one of the unified hierarchy
#
# It waits for the end of its standard input, a pipe that the test holds. The kernel closes that pipe however the test ends,
# so a machine goes away after a test that passed, panicked, or was killed, and always on this one path.
set -u
trap '' HUP INT TERM

scratch=$1
machine=$2
shift 2

read -r _

# Waits up to SECONDS until no process is left in the machine's control group.
empty_within() {
  local tries=$(($1 * 100))
  while grep -qs '^populated 1' "$cgroup/cgroup.events"; do
    ((tries-- > 0)) || return 1
    sleep 0.01
  done
}

cgroup=$1
# Killing the payload alone lets systemd-nspawn notice it and tidy up after itself.
echo 1 2>/dev/null >"$cgroup/payload/cgroup.kill"
if ! empty_within 2; then
  echo 1 2>/dev/null >"$cgroup/cgroup.kill"
  empty_within 20 || echo "rig: processes of machine $machine do not die" >&2
fi

if mountpoint -q "$scratch/merged"; then
  umount "$scratch/merged" || umount --lazy "$scratch/merged"
fi
for cgroup; do
  [ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} +
done
# what a killed systemd-nspawn leaves behind
propagate=/run/systemd/nspawn/propagate/$machine
[ ! -d "$propagate" ] || rmdir "$propagate"
rm -rf --one-file-system "$scratch"
