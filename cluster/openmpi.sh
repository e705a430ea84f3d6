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

# Processes on other hosts get none of the environment by themselves.
for name in WBC_DATA_DIR WBC_CACHE_DIR WBC_NATIVE; do
    if [[ -v $name ]]; then mpi+=(-x "$name"); fi
done

# Asked to end, this script passes it on and waits until the state is saved.
child=
trap 'asked=1; if [[ $child ]]; then kill -TERM "$child" 2>/dev/null; fi' TERM INT
asked=0
for ((restart = 0; ; restart++)); do
    mpirun "${mpi[@]}" "${PYTHON:-python}" -u launch.py "$@" &
    child=$!
    wait "$child"
    code=$?
    while kill -0 "$child" 2>/dev/null; do # the signal ended only the waiting
        wait "$child"
        code=$?
    done
    # 0: done. 2: a mistake in the command. 126, 127: no mpirun. 130, 143: asked to end.
    case $code in 0 | 2 | 126 | 127 | 130 | 143) exit "$code" ;; esac
    if ((asked)); then exit "$code"; fi
    if ((restart >= ${WBC_MAX_RESTARTS:-10})); then exit "$code"; fi
    echo "mpirun ended with $code; starting again from the last checkpoint" >&2
    sleep 5
done
