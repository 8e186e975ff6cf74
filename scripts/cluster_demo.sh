#!/usr/bin/env bash
# Stylize a clip on a Dask cluster of this machine: a scheduler and three workers on the loopback.
#   scripts/cluster_demo.sh CLIP [options of stylize_video.py]
# PYTHON names the interpreter that has brushflow's extra cluster.
set -euo pipefail
[ $# -gt 0 ] || { echo "Usage: scripts/cluster_demo.sh CLIP [options of stylize_video.py]" >&2; exit 2; }
python=${PYTHON:-python3}
root=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
started=()
stop() {
    # Not politely: workers that lose their scheduler meanwhile may wait for it for ever.
    kill -KILL "${started[@]}" 2>/dev/null || true
    wait "${started[@]}" 2>/dev/null || true
    rm -rf "$place"
}
trap stop EXIT

"$python" -m distributed.cli.dask_scheduler --host 127.0.0.1 --port 0 --no-dashboard \
    --scheduler-file "$place/scheduler.json" >"$place/scheduler.log" 2>&1 &
started+=($!)
for number in 1 2 3; do
    "$python" -m distributed.cli.dask_worker --scheduler-file "$place/scheduler.json" \
        --host 127.0.0.1 --no-dashboard --no-nanny --nthreads 1 --name "worker-$number" \
        --local-directory "$place" >"$place/worker-$number.log" 2>&1 &
    started+=($!)
done
for ((waited = 0; waited < 600; waited++)); do
    [ "$(grep -c 'Register worker' "$place/scheduler.log" || true)" -ge 3 ] && break
    kill -0 "${started[0]}" 2>/dev/null || { cat "$place/scheduler.log" >&2; exit 1; }
    sleep 0.2
done
address=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' \
    "$place/scheduler.json")
"$python" "$root/stylize_video.py" "$@" --cluster "$address"
