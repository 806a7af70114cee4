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
exec "${PYTHON:-python}" "$here/launch.py" "$GPUS" "$here/train.py" "$CONFIG" --launcher pytorch "$@"
