#!/bin/bash
# Looks at the rpm as those who install it will: its files, what it requires, its scripts, the same bytes twice. check.sh PROGRAM
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
work=$(mktemp -d "${TMPDIR:-/tmp}/steadfast-rpm-XXXXXX")
trap 'rm -rf "$work"' EXIT
packaging/rpm/build.sh "$program" "$work/one"
sleep 1 # so that a time that was not set is seen
packaging/rpm/build.sh "$program" "$work/two"
cmp "$work"/one/*.rpm "$work"/two/*.rpm
echo 'built twice: the same bytes'

package=$(echo "$work"/one/*.rpm)
wrong() { echo "$1" >&2; exit 1; }
files=$(rpm -qpl "$package")
for file in /usr/bin/steadfast /usr/lib/systemd/system/steadfast.{service,socket} /usr/lib/systemd/system-preset/80-steadfast.preset \
  /usr/lib/sysusers.d/steadfast.conf /usr/lib/tmpfiles.d/steadfast.conf /etc/steadfast/units.d /usr/share/man/man1/steadfast.1.gz \
  /usr/share/zsh/site-functions/_steadfast /usr/share/licenses/steadfast/LICENSE-MIT; do
  grep -qxF "$file" <<<"$files" || wrong "$file is not in the package"
done
if grep -E '^/etc/apt|vendor-completions|\.build-id' <<<"$files"; then wrong 'that is not for distributions with rpm'; fi
[ "$(rpm -qpc "$package")" = /etc/steadfast/steadfast.toml ] || wrong "its configuration files: $(rpm -qpc "$package")"
[ -z "$(rpm -qp --qf '[%{FILEUSERNAME} %{FILEGROUPNAME}\n]' "$package" | grep -vx 'root root')" ] || wrong 'not all files are of root'
# Red Hat Enterprise Linux 9 and its rebuilds have glibc 2.34; what is newer runs on fewer hosts than docs/packages.md says.
needs=$(rpm -qpR "$package")
newest=$(grep -o 'GLIBC_[0-9.]*' <<<"$needs" | sed 's/GLIBC_//' | sort -Vu | tail -1)
[ -n "$newest" ] && printf '%s\n' "$newest" 2.34 | sort -CV || wrong "needs glibc '$newest', and RHEL 9 has 2.34"
echo "needs glibc $newest and $(grep '^systemd' <<<"$needs" | sort -u | tail -1)"
scripts=$(rpm -qp --scripts "$package")
for kind in postinstall preuninstall postuninstall; do
  part=$(awk -v kind="$kind scriptlet" 'index($0, kind) == 1 { on = 1; next } / scriptlet / { on = 0 } on' <<<"$scripts")
  [ -n "$part" ] || wrong "there is no $kind script"
  sh -n <<<"$part" || wrong "$kind is not a script of sh"
done
mkdir "$work/root"
rpm2cpio "$package" | (cd "$work/root" && cpio -idm --quiet)
"$work/root/usr/bin/steadfast" version >/dev/null
echo "$(wc -l <<<"$files") files, three scripts"
