"""Benchmarks whose data is not there say so, and exit with 4."""

import os
import subprocess
import sys
from pathlib import Path

NEEDING = ("attribution", "fast_style", "fast_style_quality", "style", "train_mnist", "transfer")


def test_without_the_data_each_benchmark_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *NEEDING],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
        env={
            **os.environ,
            "CONVSCOPE_TEST_DATA": str(tmp_path / "nowhere"),
            "CONVSCOPE_MNIST": str(tmp_path / "no"),
        },
    )
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    for name in NEEDING:
        assert (
            f"error: expected the data of the benchmark {name}; received nothing at {tmp_path}" in done.stderr
        )
    assert done.stderr.count("next: Set CONVSCOPE_TEST_DATA") == len(NEEDING)
