#!/usr/bin/env bash
# tools/dist_train.sh CONFIG GPUS [options of train.py]
# GPUS is the number of processes on this machine: one for each GPU, or on a machine without one any number of CPU
# processes. Several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT (29500), as torchrun takes them; on one
# machine a free port is found. PYTHON: interpreter. RESTARTS (0): so many times, after a process has died, all of
# them start again; with --resume auto from the last checkpoint.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
CONFIG=$1 GPUS=$2
shift 2
here=$(dirname "$0")
exec "${PYTHON:-python}" "$here/launch.py" "$GPUS" "$here/train.py" "$CONFIG" --launcher pytorch "$@"
