#!/bin/bash
# Installs what the browser tests run on: Debian's Chromium and Node.js, and playwright-core and axe-core as package-lock.json
# has them, into the folder `$1`. `tools.sh chromium`: Chromium alone. It takes 20 seconds and needs root, apt and npm; once
# it is done, milliseconds.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
readonly here folder=$1
readonly CACHE=${STEADFAST_RIG_CACHE:-/var/cache/steadfast-rig}

missing=()
command -v chromium >/dev/null || missing+=(chromium fonts-dejavu-core)
if [ "$folder" != chromium ]; then
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
fi
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}" >&2
  # The rig installs under this lock as well, and one apt at a time is enough.
  mkdir -p "$CACHE"
  exec 9>"$CACHE/lock"
  flock 9
  timeout 60 apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive timeout 240 apt-get install -y -qq -o DPkg::Lock::Timeout=120 --no-install-recommends "${missing[@]}" >/dev/null
  exec 9>&-
fi
[ "$folder" != chromium ] || exit 0

mkdir -p "$folder"
exec 8>"$folder/lock"
flock 8
if ! cmp -s "$here/package-lock.json" "$folder/installed.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$folder/"
  (cd "$folder" && timeout 120 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  cp "$here/package-lock.json" "$folder/installed.json"
fi
