"""Benchmarks whose data is not there say so, and exit with 4; what takes many hours runs by its name only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import __main__ as benchmarks
from benchmarks import kept_runs, recipes
from benchmarks.result import Result

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


def test_recipes_are_trained_where_they_are_named_and_only_laid_out_where_all_benchmarks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    written: list[Result] = []
    metric = {"value": 0.9, "heading": "accuracy", "form": ".2%", "higher_is_better": True}

    def train(name: str, _words: list[str], seed: int) -> dict[str, object]:
        trained.append(f"{name} {seed}")
        found = {"primary": "accuracy", "metrics": {"accuracy": metric}}
        return {**found, "beside": {}, "said": [], "cpu_s": 7.0}

    monkeypatch.setattr(recipes, "trained", train)
    monkeypatch.setattr(recipes, "SEEDS", range(2))
    monkeypatch.setattr(kept_runs, "RESULTS", tmp_path)
    monkeypatch.setattr(benchmarks, "BENCHMARKS", {"recipes": recipes})
    monkeypatch.setattr(benchmarks, "write", lambda _name, result, *_: written.append(result))
    assert benchmarks.main([]) == 0
    assert (trained, written[-1].rows) == ([], [])
    assert benchmarks.main(["recipes", "lecture-digits"]) == 0
    assert trained == ["lecture-digits 0", "lecture-digits 1"]
    assert benchmarks.main([]) == 0
    assert len(trained) == 2 and [row[0] for row in written[-1].rows] == ["lecture-digits"]
    assert written[-1].rows == written[-2].rows
