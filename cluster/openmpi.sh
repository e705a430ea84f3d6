#!/usr/bin/env bash
# One run by several processes under Open MPI, started again when one of them is lost:
#   cluster/openmpi.sh -n 2 --config=configs/alexnet.py:paper --workdir=runs/alexnet-cluster
# Options before the first --config are mpirun's: -n 4 --hostfile hosts. Only the start is MPI's; the
# processes speak to each other through JAX.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

mpi=()
while (($#)) && [[ $1 != --config* ]]; do
    mpi+=("$1")
    shift
done
# By default mpirun refuses root and more processes than cores, and binds a process to one core: XLA
# would train on that core alone, and add up in another order than with all of them.
mpi+=(--oversubscribe --bind-to none)
if ((EUID == 0)); then mpi+=(--allow-run-as-root); fi

for ((restart = 0; ; restart++)); do
    mpirun "${mpi[@]}" "${PYTHON:-python}" -u launch.py "$@"
    code=$?
    # 0: done. 2: a mistake in the command. 130, 143: asked to end.
    case $code in 0 | 2 | 130 | 143) exit "$code" ;; esac
    if ((restart >= ${WBC_MAX_RESTARTS:-10})); then exit "$code"; fi
    echo "mpirun ended with $code; starting again from the last checkpoint" >&2
    sleep 5
done
