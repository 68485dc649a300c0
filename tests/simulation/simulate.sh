#!/bin/bash
# Plays seeds that no other run has played, 2,000 at a time, for so many hours. `simulate.sh CARGO HOURS`
set -euo pipefail

cargo=$1
end=$(awk -v hours="$2" -v now="$(date +%s)" 'BEGIN { printf "%d", now + hours * 3600 }')
# Seeds of the CI begin at 0; the wall clock spreads the others.
first=$(($(date +%s) * 1000))
began=$first
while [ "$(date +%s)" -lt "$end" ]; do
	FIRST=$first SEEDS=2000 "$cargo" nextest run --release --locked --no-fail-fast --test simulation --success-output final \
		no_seed_breaks 2>&1 | grep -E 'seeds,|SEED=|shrunk|^ +[0-9]+\.[0-9]{3} |FAIL|error'
	first=$((first + 2000))
done
echo "seeds $began to $((first - 1)) hold"
