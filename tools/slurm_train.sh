#!/usr/bin/env bash
# tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options of train.py]
# GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK (a GPU's share of a node, or 5), PORT (drawn) and SRUN_ARGS come from the
# environment, as does PYTHON.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
PARTITION=$1 JOB_NAME=$2 CONFIG=$3
shift 3
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
if [ -z "${CPUS_PER_TASK:-}" ]; then # of the node that has the fewest cores for a GPU
    CPUS_PER_TASK=$(sinfo -h -p "$PARTITION" -o '%c %G' 2>/dev/null |
        sed -nE 's/^([0-9]+).* gpu:([^:,(]+:)?([0-9]+).*/\1 \3/p' |
        awk '{ print int($1 / $2) }' | sort -n | head -n 1) || true
fi
export MASTER_PORT=${PORT:-$((20000 + RANDOM % 10000))} # one for all tasks, which srun hands on
# shellcheck disable=SC2086 # SRUN_ARGS is several words
exec srun -p "$PARTITION" --job-name="$JOB_NAME" --gres=gpu:"$GPUS_PER_NODE" --ntasks="$GPUS" \
    --ntasks-per-node="$GPUS_PER_NODE" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$(dirname "$0")/train.py" "$CONFIG" --launcher slurm "$@"
