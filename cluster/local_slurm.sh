#!/usr/bin/env bash
# SLURM on this one machine, to try slurm.sbatch before a cluster is asked. As root:
#   apt-get install -y slurm-wlm munge
#   cluster/local_slurm.sh start /tmp/slurm 2          # folder, processors to offer
#   SLURM_CONF=/tmp/slurm/slurm.conf sbatch --nodes=1 --ntasks-per-node=2 cluster/slurm.sbatch ...
#   cluster/local_slurm.sh stop /tmp/slurm
# Everything lies in the folder: configuration, keys, logs, sockets. A SLURM of the machine's own
# is left alone, except that two cannot run on the same ports.
set -euo pipefail

usage() {
    echo "usage: $0 start|stop FOLDER [PROCESSORS]" >&2
    exit 2
}

as_user() { # USER COMMAND...
    setpriv --reuid="$1" --regid="$1" --clear-groups -- "${@:2}"
}

stop() {
    local name pid
    for name in slurmd slurmctld munged; do
        if pid=$(cat "$folder/$name.pid" 2>/dev/null) && kill "$pid" 2>/dev/null; then
            while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
        fi
    done
}

start() {
    local processors=$1 host port
    host=$(hostname -s)
    port=${WBC_SLURM_PORT:-26817}
    # A folder of somebody else's would hand them a SLURM that runs as root.
    mkdir -p "$folder"
    if [[ ! -O $folder ]]; then
        echo "$folder is not yours: name another folder" >&2
        exit 2
    fi
    chmod 755 "$folder"
    mkdir -p "$folder"/{munge,state,spool}
    chmod 755 "$folder/munge"
    (umask 077 && head -c 1024 /dev/urandom >"$folder/munge/munge.key")
    chown -R munge:munge "$folder/munge"
    chown -R slurm:slurm "$folder/state"
    cat >"$folder/slurm.conf" <<CONF
ClusterName=local
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
CryptoType=crypto/munge
SlurmUser=slurm
SlurmctldPidFile=$folder/state/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldLogFile=$folder/state/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
MpiDefault=none
ReturnToService=2
KillWait=30
NodeName=$host NodeAddr=127.0.0.1 CPUs=$processors State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    as_user munge munged --key-file="$folder/munge/munge.key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/munged.pid" --log-file="$folder/munge/munged.log" \
        --seed-file="$folder/munge/munged.seed"
    ln -sf munge/munged.pid "$folder/munged.pid"
    as_user slurm slurmctld -f "$folder/slurm.conf"
    ln -sf state/slurmctld.pid "$folder/slurmctld.pid"
    slurmd -f "$folder/slurm.conf"
    for _ in $(seq 300); do
        if [[ $(SLURM_CONF="$folder/slurm.conf" sinfo --noheader --format=%T) == idle ]]; then
            echo "ready: export SLURM_CONF=$folder/slurm.conf"
            return
        fi
        sleep 0.1
    done
    echo "SLURM did not come up within 30 s; see $folder/slurmd.log and $folder/state" >&2
    stop
    exit 1
}

(($# >= 2)) || usage
folder=$(realpath -m "$2")
case $1 in
    start) start "${3:-$(nproc)}" ;;
    stop) stop ;;
    *) usage ;;
esac
