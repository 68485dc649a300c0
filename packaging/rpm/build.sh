#!/bin/bash
# Makes an rpm of a program that was built: build.sh PROGRAM DIRECTORY. Needs rpmbuild.
# The same program and the same source give the same bytes: times are those of the commit (SOURCE_DATE_EPOCH).
#
# VERSION   of the package; by default that of Cargo.toml
# PAYLOAD   how its contents are compressed; by default w19.zstdio, and "w.ufdio" (not at all) for a quick one
set -euo pipefail
program=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$0")/../.."

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}
export LC_ALL=C.UTF-8 TZ=UTC
umask 022
version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)}

work=$(mktemp -d "${TMPDIR:-/tmp}/steadfast-rpm-XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
install -D -m 0755 "$program" "$work/steadfast"

# What a package for Debian is made of, too.
make --no-print-directory -s install-files DESTDIR="$root" PREFIX=/usr BINARY="$work/steadfast" CARGO=true >/dev/null
rm "$root/usr/share/steadfast/hooks/80steadfast" # apt's
# Distributions with rpm have functions of zsh elsewhere, and enable by presets.
mkdir -p "$root/usr/share/zsh/site-functions"
mv "$root/usr/share/zsh/vendor-completions/_steadfast" "$root/usr/share/zsh/site-functions/"
rmdir "$root/usr/share/zsh/vendor-completions"
install -d "$root/usr/lib/systemd/system-preset" "$root/usr/share/licenses/steadfast"
printf 'enable %s\n' steadfast.service steadfast.socket >"$root/usr/lib/systemd/system-preset/80-steadfast.preset"
install -m 0644 LICENSE-MIT LICENSE-APACHE "$root/usr/share/licenses/steadfast/"

{
  for own in /etc/steadfast /etc/steadfast/units.d /usr/lib/steadfast /usr/share/doc/steadfast /usr/share/licenses/steadfast; do echo "%dir $own"; done
  find "$root/usr/share/steadfast" -type d -printf '%%dir /usr/share/steadfast/%P\n' | sort
  find "$root" -type f -printf '/%P\n' | sort | sed -E \
    -e 's,^/etc/.*,%config(noreplace) &,' -e 's,^/usr/share/licenses/.*,%license &,' -e 's,^/usr/share/doc/.*,%doc &,'
} >"$work/listed"
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

rpmbuild -bb --quiet --define "_topdir $work/rpm" --define "_rpmdir $work/made" --define "staged $root" --define "listed $work/listed" \
  --define "version_made $version" --define "_binary_payload ${PAYLOAD:-w19.zstdio}" --define '_unitdir /usr/lib/systemd/system' \
  packaging/rpm/steadfast.spec >&2
mv "$work"/made/*/*.rpm "$out/"
(cd "$out" && sha256sum steadfast-"$version"-1.*.rpm)
