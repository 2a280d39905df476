"""Two real processes, started by torchrun, against one."""

import os
import subprocess
import sys

import pytest
import torch

from convscope.see.units.index import storage

WORDS = "-m convscope units digits --data digits --split test --batch 64 --quiet --index"
COMMAND = WORDS.split(" ")


@pytest.mark.exhaustive
def test_two_processes_make_the_same_index(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    subprocess.run([sys.executable, *COMMAND, str(alone)], check=True, capture_output=True, env=environment)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [sys.executable, *launch, *COMMAND, str(shared)], check=True, capture_output=True, env=environment
    )
    one, two = storage.read(alone), storage.read(shared)
    for name, tensor in one.accumulator.tensors().items():
        exact = name not in ("sums", "classes")
        torch.testing.assert_close(
            two.accumulator.tensors()[name], tensor, rtol=0 if exact else 1e-12, atol=0 if exact else 1e-9
        )
    assert sorted(p.name for p in shared.iterdir()) == sorted(p.name for p in alone.iterdir())
