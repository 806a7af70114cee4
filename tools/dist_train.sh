#!/usr/bin/env bash
# tools/dist_train.sh CONFIG GPUS [options of train.py]
# GPUS is the number of processes on this machine: one for each GPU, or on a machine without one any number of CPU
# processes. Several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT, as torchrun takes them. PYTHON: interpreter.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
CONFIG=$1 GPUS=$2
shift 2
here=$(dirname "$0")
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((($(nproc) + GPUS - 1) / GPUS))} # else 1, with a warning
export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}
exec "${PYTHON:-python}" "$here/launch.py" --nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${PORT:-29500}" --nproc-per-node="$GPUS" \
    "$here/train.py" "$CONFIG" --launcher pytorch "$@"
