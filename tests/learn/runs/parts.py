"""Runs on disk as a training leaves them, without a training."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convscope.learn import ClassificationRecipe, Epoch
from convscope.learn.trainer.run_folder import data_record, run_files


def epoch(index: int, epochs: int, accuracy: float, loss: float = 0.5) -> Epoch:
    metrics: dict[str, float | None] = {"loss": loss, "accuracy": accuracy}
    return Epoch(index, epochs, metrics, dict(metrics), 1.5, 800.0, 0.001, "fp32", "contiguous")


def write_run(
    folder: Path,
    accuracies: Sequence[float] = (0.8, 0.9),
    *,
    tested: Any = 1000,
    state: bool = True,
    when: float = 1_700_000_000.0,
    **settings: Any,
) -> Path:
    """Write the files of a run, as far as lists, comparisons and pruning read them."""
    recipe = ClassificationRecipe.parse({"network": "lecture", "data": "digits", "epochs": 2} | settings)
    folder.mkdir(parents=True)
    (folder / run_files.RECIPE).write_text(run_files.written_toml(recipe))
    lines = [json.dumps(epoch(k, recipe.epochs, a).to_json()) for k, a in enumerate(accuracies, start=1)]
    if lines:
        (folder / run_files.METRICS).write_text("".join(line + "\n" for line in lines))
        os.utime(folder / run_files.METRICS, (when, when))
    (folder / run_files.ENVIRONMENT).write_text(
        json.dumps({"convscope": "0.1.0", run_files.TEST_SAMPLES: tested})
    )
    (folder / run_files.DESCRIPTION).write_text(json.dumps({"format": "convscope.model/2"}))
    (folder / data_record.FILE).write_text(json.dumps({"format": data_record.FORMAT}))
    (folder / run_files.WEIGHTS).write_bytes(b"weights")
    (folder / "report.html").write_text('<head><meta name="generator" content="convscope 0.1.0"></head>')
    if state:
        (folder / "state").mkdir()
        (folder / "state" / "state.json").write_text("{}")
        (folder / "state" / "before.json").write_text("{}")
        (folder / "state" / f"state-1-0-{'a' * 16}.safetensors").write_bytes(b"x" * 100)
    return folder
