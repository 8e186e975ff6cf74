#!/usr/bin/env bash
# What a GPU has to show, in under 28 minutes and without a network: parity, speed, training.
#   scripts/gpu.sh [OUT]        into OUT [default: local/gpu]; make gpu does it
# Each part has its time, leaves OUT/NAME.log and, once it is done, OUT/NAME.done: the same command
# goes on with what is missing. PYTHON names the interpreter; wheels in OUT/wheels are taken from
# there (make gpu-wheels fetches those that such machines tend to lack). Training needs
# BRUSHFLOW_DATA. REHEARSE=1 DEVICE=cpu runs all of it in a few minutes, with tiny settings.
set -uo pipefail
set -m # a part is a group of processes, which Ctrl-C does not reach by itself
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
out=${1:-local/gpu}
device=${DEVICE:-cuda}
python=${PYTHON:-python3}
data=${BRUSHFLOW_DATA:-}
deadline=$(($(date +%s) + ${SECONDS_IN_ALL:-1620}))
mkdir -p "$out/path" || exit 1
out=$(cd "$out" && pwd)

# The checkout is the package, whatever its folder is called.
ln -sfn "$root" "$out/path/brushflow"
export PYTHONPATH="$out/path${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
if compgen -G "$out/wheels/*.whl" >/dev/null && [ ! -e "$out/site" ]; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$out/site.new" \
        "$out"/wheels/*.whl && mv "$out/site.new" "$out/site"
fi
[ -d "$out/site" ] && PYTHONPATH="$PYTHONPATH:$out/site"

failed=0 running='' watch=''
stopped() {
    [ -n "$watch" ] && kill -- "-$watch"
    [ -n "$running" ] && kill -INT "$running" && wait "$running"
    echo "Interrupted; the same command goes on."
    exit 130
}
trap stopped INT TERM
part() { # NAME SECONDS COMMAND...
    local name=$1 seconds=$2 left=$((deadline - $(date +%s)))
    shift 2
    [ -e "$out/$name.done" ] && { echo "$name: done before"; return; }
    [ "$left" -lt 10 ] && { echo "$name: no time left"; failed=1; return; }
    local began=$SECONDS code=0
    "$@" >>"$out/$name.log" 2>&1 &
    running=$!
    # Interrupted once and politely, training keeps what it has and goes on next time.
    (
        sleep "$((seconds < left ? seconds : left))"
        echo "Its time is over." >>"$out/$name.log"
        kill -INT "$running" && sleep 20 && kill -KILL -- "-$running"
    ) >/dev/null 2>&1 &
    watch=$!
    wait "$running" || code=$?
    kill -- "-$watch" 2>/dev/null
    wait "$watch" 2>/dev/null
    running='' watch=''
    if [ "$code" -eq 0 ]; then
        touch "$out/$name.done"
        echo "$name: done in $((SECONDS - began)) s"
    else
        failed=1
        echo "$name: code $code after $((SECONDS - began)) s; the end of $name.log:"
        tail -n 3 "$out/$name.log" | sed 's/^/    /'
    fi
}

small=() frames=(--frames 120) sizes=(360p 480p 720p 1080p)
if [ -n "${REHEARSE:-}" ]; then
    small=(--size 64x48 --repeats 1) frames=(--frames 8) sizes=(180p)
fi
size_options=()
for size in "${sizes[@]}"; do size_options+=(--size "$size"); done
bench=("$python" scripts/benchmarks/benchmark.py)
halves=(--precision bf16)
[ "$device" = cpu ] || halves+=(--precision fp16)

part doctor 90 "$python" scripts/doctor.py
part parity 300 "$python" -m pytest -q -p no:cacheprovider tests/pipeline/test_gpu.py \
    tests/models/test_cuda_graph.py
for model in paper starry-night; do
    which=()
    [ "$model" = paper ] || which=(--model "$model")
    # Every engine in every precision: plain, folded, channels-last, graphed.
    part "network-$model" 150 "${bench[@]}" network --device "$device" "${halves[@]}" "${which[@]}" \
        "${small[@]}" --json "$out/network-$model.json"
    part "pipeline-$model" 180 "${bench[@]}" pipeline --device "$device" --style "$model" \
        "${frames[@]}" "${size_options[@]}" --json "$out/pipeline-$model.json"
done

if [ -z "$data" ]; then
    echo "styles: BRUSHFLOW_DATA names no folder to train with"
    exit 1
fi
arch=$("$python" -c 'from brushflow.models import PAPER_ARCH; print(PAPER_ARCH)')
lengths=() rehearse=()
if [ -n "${REHEARSE:-}" ]; then
    lengths=(--iterations 2 --identity-iterations 1 --sizes 64 --batch-sizes 1 --num-val-batches 1)
    arch=c3s1-8,d16,R16,U2,c3s1-3
    rehearse=(--rehearse --styles starry-night)
else
    # As train_styles.py wants them, by all processors at once.
    part clips 240 "$python" scripts/make_video_dataset.py "$data/clips/train" \
        "$out/styles/prepared" --length 4 --gap 2 --side 288 --per-video 10 --val-percent 0
fi
part style-paper 420 "$python" train_video.py --device "$device" --arch "$arch" \
    --style "$data/styles/composition-vii.jpg" --images "$data/photos/train" \
    --loss-weights "$data/weights/vgg19-caffe-conv1_1-conv3_4.safetensors" "${lengths[@]}" \
    -o "$out/paper.safetensors"
part styles 900 "$python" scripts/lab/train_styles.py "$data" --device "$device" \
    -o "$out/models" --work "$out/styles" "${rehearse[@]}"
exit "$failed"
