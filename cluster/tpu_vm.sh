#!/usr/bin/env bash
# One run on all machines of a TPU slice; the same command again goes on from the last checkpoint:
#   cluster/tpu_vm.sh MY_TPU us-central2-b --config=configs/alexnet.py:paper \
#       --workdir=/mnt/shared/runs/alexnet-tpu --cache_dir=/mnt/shared/cache
# Every machine has the checkout in ~/wbc_jax, set up as README says, with jax[tpu], and one shared
# file system; PYTHON names its interpreter there, such as .venv/bin/python. WBC_DRY_RUN=1 shows the
# command and does nothing.
set -euo pipefail
if (($# < 3)); then
    echo "usage: $0 TPU_NAME ZONE FLAGS_OF_LAUNCH..." >&2
    exit 2
fi
name=$1 zone=$2
shift 2

# JAX finds the other machines of a slice by itself: --coordinator=auto.
printf -v flags ' %q' "$@"
printf -v python %q "${PYTHON:-python}"
command=(gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all
    --command="cd wbc_jax && $python -u launch.py --coordinator=auto$flags")
if [[ ${WBC_DRY_RUN:-} ]]; then
    printf '%s\n' "${command[@]}"
else
    exec "${command[@]}"
fi
