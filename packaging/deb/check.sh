#!/bin/bash
# Looks at the package as those who install it will: lintian, the same bytes twice, and the machine test that installs, upgrades,
# removes and purges it on Debian 12 and 13. check.sh PROGRAM
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
command -v lintian >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends lintian; }

work=$(mktemp -d "${TMPDIR:-/tmp}/steadfast-deb-XXXXXX")
trap 'rm -rf "$work"' EXIT
packaging/deb/build.sh "$program" "$work/one"
sleep 1 # so that a time that was not set is seen
packaging/deb/build.sh "$program" "$work/two"
cmp "$work"/one/*.deb "$work"/two/*.deb
echo 'built twice: the same bytes'
lintian --fail-on error,warning --tag-display-limit 0 --show-overrides "$work"/one/*.deb
echo 'lintian: no error, no warning'
depends=$(dpkg-deb -f "$work"/one/*.deb Depends)
glibc=$(sed -n 's/.*libc6 (>= \([0-9.]*\)).*/\1/p' <<<"$depends")
dpkg --compare-versions "$glibc" le 2.35 || { echo "needs glibc $glibc, and Ubuntu 22.04 has 2.35; build it on an older host"; exit 1; }
echo "needs glibc $glibc"
for page in "$work"/one/*.deb; do dpkg-deb -x "$page" "$work/root"; done
for page in "$work"/root/usr/share/man/man*/*.gz; do
  said=$(LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 "$page" 2>&1 >/dev/null)
  [ -z "$said" ] || { echo "$page: $said"; exit 1; }
done
echo 'every man page is rendered without a warning'
make --no-print-directory check-completions BINARY="$program" CARGO=true
cargo nextest run --locked --test machine package::
