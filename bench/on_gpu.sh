#!/bin/sh
# What a CUDA device must do: every experiment keeps its contract there, and being served costs no more than on
# a CPU. Last, which device `auto` takes for each experiment. Meant to take less than eight minutes on one GPU with
# sixteen cores.
#
#   sh bench/on_gpu.sh [PYTHON]
set -u
python=${1:-python3}
experiments="--experiment neural-playground --experiment mlp-digits --experiment lstm-cells
             --experiment transformer --experiment dcgan"
status=0
"$python" -c 'import torch; print(torch.__version__, torch.cuda.get_device_name())' || exit 1
DESCENT_TEST_DEVICE=cuda "$python" -m pytest tests/experiments/test_contract.py \
    --numprocesses 12 --dist worksteal --quiet --timeout 120 -W default::UserWarning || status=1
for device in cuda cpu; do
    echo "steps per second on $device"
    # shellcheck disable=SC2086
    "$python" bench/steps_per_second.py --device $device --pairs 1 --rounds 2 --seconds 2 $experiments || status=1
done
"$python" bench/devices.py || status=1
exit $status
