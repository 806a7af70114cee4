#!/usr/bin/env bash
# tools/dist_train.sh CONFIG GPUS [options of train.py]
# GPUS is the number of processes on this machine: one for each GPU, or on a machine without one any number of CPU
# processes. Several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT (29500), as torchrun takes them; on one
# machine a free port is found. PYTHON: interpreter.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
CONFIG=$1 GPUS=$2
shift 2
here=$(dirname "$0")
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((($(nproc) + GPUS - 1) / GPUS))} # else 1, with a warning
export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}
if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}" ]; then
    meet=(--standalone --local-addr=127.0.0.1)
else
    meet=(--nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}"
        --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${PORT:-29500}")
fi
exec "${PYTHON:-python}" "$here/launch.py" "${meet[@]}" --nproc-per-node="$GPUS" \
    "$here/train.py" "$CONFIG" --launcher pytorch "$@"
