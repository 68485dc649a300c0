#!/bin/bash
# Makes the release of HEAD twice, in folders of other names and lengths, and compares the bytes; then reads the list of crates out
# of the program.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d "${TMPDIR:-/tmp}/steadfast-XXXXXX")
trap 'rm -rf "$work"' EXIT
built=()
for folder in one another/longer/way; do
  mkdir -p "$work/$(dirname "$folder")"
  git clone --quiet --no-hardlinks . "$work/$folder"
  env -u CARGO_TARGET_DIR make --no-print-directory -C "$work/$folder" release >/dev/null
  built+=("$work/$folder/target/release/steadfast")
done
sha256sum "${built[@]}" | sed "s,$work/,,"
cmp "${built[@]}"
echo "the same $(stat -c %s "${built[0]}") bytes, of $(git rev-parse --short HEAD)"

objcopy --dump-section .dep-v0="$work/crates" "${built[0]}" "$work/stripped"
python3 - "$work/crates" <<'PYTHON'
import json, sys, zlib
crates = json.loads(zlib.decompress(open(sys.argv[1], "rb").read()))["packages"]
print(f"it lists {len(crates)} crates, rustls {next(c['version'] for c in crates if c['name'] == 'rustls')} among them")
PYTHON
