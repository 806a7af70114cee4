#!/usr/bin/env bash
# tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]
# GPUS is the number of processes on this machine: one for each GPU, or on a machine without one any number of CPU
# processes. Several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT (29500), as torchrun takes them; on one
# machine a free port is found. PYTHON: interpreter.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
CONFIG=$1 CHECKPOINT=$2 GPUS=$3
shift 3
here=$(dirname "$0")
exec "${PYTHON:-python}" "$here/launch.py" "$GPUS" "$here/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"
