#!/bin/bash
# Makes a Debian package of a program that was built: build.sh PROGRAM DIRECTORY. Needs dpkg-deb, gzip, objdump (binutils).
# The same program and the same source give the same bytes: times are those of the commit (SOURCE_DATE_EPOCH).
#
# VERSION       of the package; by default that of Cargo.toml
# COMPRESSION   of its contents; by default xz, and "none" for a quick one
set -euo pipefail
program=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$0")/../.."
here=packaging/deb

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}
export LC_ALL=C.UTF-8 TZ=UTC
umask 022
version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)}
architecture=$(dpkg --print-architecture)
# The newest symbol version that the program needs tells which C library it runs with.
glibc=$(objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -Vu | tail -1)

work=$(mktemp -d "${TMPDIR:-/tmp}/steadfast-deb-XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/DEBIAN"
install -m 0755 "$program" "$work/steadfast"

make --no-print-directory -s install-files DESTDIR="$root" PREFIX=/usr BINARY="$work/steadfast" CARGO=true >/dev/null
install -D -m 0644 config/hooks/80steadfast "$root/etc/apt/apt.conf.d/80steadfast"
rm -f "$root/usr/share/steadfast/hooks/80steadfast"

doc=$root/usr/share/doc/steadfast
mit() { tail -n +3 LICENSE-MIT | sed 's/^$/./; s/^/ /'; }
fill() { sed "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@GLIBC@/$glibc/; s/@SIZE@/${size:-0}/; s/@DATE@/$(date -u -R -d "@$SOURCE_DATE_EPOCH")/" "$1"; }
sed -e '/@MIT@/{r /dev/stdin' -e 'd}' $here/copyright >"$doc/copyright" < <(mit)
fill $here/changelog.in | gzip -9n >"$doc/changelog.gz"
install -D -m 0644 $here/lintian-overrides "$root/usr/share/lintian/overrides/steadfast"

size=$(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)
fill $here/control.in >"$root/DEBIAN/control"
install -m 0755 $here/postinst $here/prerm $here/postrm "$root/DEBIAN/"
printf '%s\n' /etc/apt/apt.conf.d/80steadfast /etc/steadfast/steadfast.toml >"$root/DEBIAN/conffiles"
(cd "$root" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
chmod 0644 "$root"/DEBIAN/{control,conffiles,md5sums}
find "$root" -type d -exec chmod 0755 {} +
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

package=$out/steadfast_${version}_$architecture.deb
dpkg-deb --root-owner-group --uniform-compression -Z"${COMPRESSION:-xz}" --threads-max=1 --build "$root" "$package" >/dev/null
(cd "$out" && sha256sum "$(basename "$package")")
