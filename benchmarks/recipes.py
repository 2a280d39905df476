"""Every packaged recipe, trained to the end by several seeds, each in a process of its own with one thread.

    python -m benchmarks recipes                            # all whose data is there: many hours
    python -m benchmarks recipes neocognitron two-outputs   # some of them
    SEEDS=1 python -m benchmarks recipes vae
    CIFAR10_ROOT=FOLDER python -m benchmarks recipes cifar-speedrun      # its cifar-10-batches-bin or -py
    python -m benchmarks                                    # none; the table holds those that are kept

A run is kept in `results/recipes_runs.json` as soon as it ends, so that what was interrupted goes on; it is
done again where the recipe's settings have changed. The table holds all that are kept, whichever were named.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.data import DATA, MNIST
from benchmarks.kept_runs import KeptRuns
from benchmarks.result import Result
from convscope.learn import MeasuredResult, MetricSpec, find_recipe, open_run, recipe_names

SEEDS = range(int(os.environ.get("SEEDS", "1" if os.environ.get("CONVSCOPE_BENCH") == "quick" else "3")))
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
SHIPPED = ("digits", "go-9x9", "ring", "sine", "strokes")
"""Data that the package holds or computes."""
FOLDERS = {
    "cifar10": Path(os.environ.get("CIFAR10_ROOT", DATA / "cifar10")),
    "fsdd": DATA / "fsdd",
    "fsdd-without-george": DATA / "fsdd",
    "imagenet": DATA / "imagenet",
    "mnist": MNIST,
    "mr": DATA / "text",
    "tom_9d_games.tsv.xz": DATA / "go" / "tom_9d_games.tsv.xz",
}
"""Where other data lies."""
VECTORS = DATA / "glove" / "glove.6B.50d.mr-trec-sst.npz"
WITH_VECTORS = ("kim-multichannel", "kim-non-static", "kim-static")
COST = 2.0
"""Largest ratio of the processor seconds that a recipe quotes and those of the runs: neighbours slow down."""
NUMBER = re.compile(r"\d+(?:\.\d+)?")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")


def choices() -> tuple[str, ...]:
    """The names that may follow that of the benchmark."""
    return recipe_names()


def run(names: Sequence[str] = ()) -> Result:
    """Train what is not there yet, and lay out all that is."""
    kept, absent = KeptRuns("recipes"), []
    for name in names or recipe_names():
        words = words_of(name)
        if words is None:
            absent.append(name)
            print(f"recipes: the data of {name} is not there; it is left out", file=sys.stderr)
            continue
        for seed in SEEDS:
            kept.get(key_of(name, seed), partial(trained, name, words, seed))
    return laid_out(kept, absent)


def run_unnamed() -> Result:
    """Lay out the runs that are kept and train nothing, where all benchmarks run and none is named."""
    return laid_out(KeptRuns("recipes"), [name for name in recipe_names() if words_of(name) is None])


def laid_out(kept: KeptRuns, absent: list[str]) -> Result:
    """Lay out the runs that are kept and follow today's recipes."""
    rows, found = [], {}
    for name in recipe_names():
        runs = [one for one in kept.found if key_of(name, one["seed"]).items() <= one.items()]
        if runs:
            found[name] = sorted(runs, key=lambda one: one["seed"])
            rows += rows_of(name, found[name])
    head = (
        "recipe",
        "metric of the test",
        "mean (standard deviation)",
        "each seed",
        "beside it",
        "seeds",
        "CPU s of a run",
    )
    about = (
        "Each run follows the recipe to the end in a process of its own with one thread; the processor "
        "seconds are those of the whole command. The spread is over seeds, of one division into training and "
        "test. Beside it: what the task itself compares with." + with_more_threads(found) + in_parts(found)
    )
    return Result("Recipes", about, head, rows, {"found": found, "absent": absent})


def with_more_threads(found: dict[str, list[dict[str, Any]]]) -> str:
    """Say which runs had more than one thread: those whose wall time was measured as well."""
    more = [
        f"{name}, seed {run['seed']}, {run['threads']}"
        for name, runs in found.items()
        for run in runs
        if run.get("threads", 1) > 1
    ]
    return f" More threads had: {'; '.join(more)}." if more else ""


def in_parts(found: dict[str, list[dict[str, Any]]]) -> str:
    """Say which runs were resumed: of these the seconds are those of their epochs, by the clock."""
    parts = [
        f"{name}, seed {run['seed']}" for name, runs in found.items() for run in runs if run.get("in_parts")
    ]
    if not parts:
        return ""
    return f" Trained in parts, beside other programs: {'; '.join(parts)}; by the clock, without the tests."


def words_of(name: str) -> list[str] | None:
    """The words of the command beside name and seed that find the data; None where it is not there."""
    data = str(find_recipe(name).values()["data"])
    if data in SHIPPED:
        return []
    place = FOLDERS.get(data)
    needed = [place, *([VECTORS] if name in WITH_VECTORS else [])]
    if any(one is None or not one.exists() for one in needed):
        return None
    if data == "cifar10" and place is not None and not any(place.glob("cifar-10-batches-*")):
        return None  # there may be parts of it, for tests
    if place is not None and place.is_file():
        return [str(place)]
    return ["--root", str(place), *(["--vectors", str(VECTORS)] if name in WITH_VECTORS else [])]


def key_of(name: str, seed: int) -> dict[str, Any]:
    """What tells a run from others: the recipe with its settings, and the seed."""
    settings = json.dumps(find_recipe(name).values(), sort_keys=True)
    return {"recipe": name, "settings": hashlib.sha256(settings.encode()).hexdigest()[:12], "seed": seed}


def trained(name: str, words: list[str], seed: int) -> dict[str, Any]:
    """Train once; return the numbers of the test, what they are compared with, and the processor seconds."""
    command = [sys.executable, "-m", "convscope", "train", "--recipe", name, "--seed", str(seed), *words]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "run")
        before = os.times()
        done = subprocess.run(
            [*command, "--json", "--quiet", "--out", str(place)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **ONE_THREAD},
        )
        after = os.times()
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-2000:]}")
        seconds = after.children_user + after.children_system - before.children_user - before.children_system
        return kept_from(json.loads(done.stdout), place, seconds)


def kept_from(document: dict[str, Any], place: Path, seconds: float) -> dict[str, Any]:
    """What is kept of a run: the numbers of the test, what they are compared with, the processor seconds.

    Args:
        document: what the command printed.
        place: the run's folder.
        seconds: of the whole command.
    """
    summary = open_run(place)
    if summary is None or summary.primary is None:
        raise RuntimeError(f"{place} measured nothing")
    return {
        "primary": summary.primary.name,
        "metrics": {
            spec.name: {
                "value": summary.test_metrics[spec.name],
                "heading": spec.heading,
                "form": spec.form,
                "higher_is_better": spec.higher_is_better,
            }
            for spec in summary.specs
            if summary.test_metrics.get(spec.name) is not None
        },
        "beside": compared_with(document),
        "said": document["table"]["lines"],
        "cpu_s": seconds,
    }


def compared_with(document: dict[str, Any]) -> dict[str, float]:
    """What the test was compared with, as far as the document holds numbers: of whom, and how good."""
    test = document["test"]
    if "outputs" in test:
        return {f"{name}, constant": one["baseline"] for name, one in test["outputs"].items()}
    if "baselines" in test:
        return {name: one["top1"] for name, one in test["baselines"].items()}
    if "confusion" in test:
        counts = [sum(row) for row in test["confusion"]]
        return {"always the most frequent class": max(counts) / sum(counts)}
    if "accuracy" in test and document["classes"]:
        counts = list(document["classes"].values())
        return {"always the most frequent class": max(counts) / sum(counts)}
    return {}


def rows_of(name: str, runs: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """One row for each metric, the primary one first; what they are compared with is in the first."""
    first = runs[0]
    order = sorted(first["metrics"], key=lambda metric: metric != first["primary"])
    beside = "; ".join(f"{what} {value:.4g}" for what, value in first["beside"].items() if value is not None)
    rows = []
    for metric in order:
        spec, values = spec_of(first, metric), values_of(runs, metric)
        texts = [spec.text({metric: value}) for value in values]
        spread = f" ({spec.text({metric: stdev(values)})})" if len(values) > 1 else ""
        last = (
            (beside or " ".join(first["said"]), str(len(runs)), f"{mean(r['cpu_s'] for r in runs):.0f}")
            if metric == first["primary"]
            else ("", "", "")
        )
        label = name if metric == first["primary"] else ""
        rows.append(
            (label, spec.heading, spec.text({metric: mean(values)}) + spread, ", ".join(texts), *last)
        )
    return rows


def spec_of(run: dict[str, Any], metric: str) -> MetricSpec:
    """How a metric of a run is named and written."""
    one = run["metrics"][metric]
    return MetricSpec(metric, one["heading"], one["form"], one["higher_is_better"])


def values_of(runs: list[dict[str, Any]], metric: str) -> list[float]:
    """The values of a metric by seed."""
    return [run["metrics"][metric]["value"] for run in runs]


def disagreements(measured: MeasuredResult | None, runs: list[dict[str, Any]]) -> list[str]:
    """What a recipe's file quotes otherwise than the runs have it, in sentences.

    The file has to quote, of every metric that shall be high, or else of the primary one, the mean or each
    seed's value, with as many digits as it likes; and the processor seconds, within `COST`.
    """
    if measured is None:
        return ["nothing is quoted"]
    first = runs[0]
    metrics = [name for name, one in first["metrics"].items() if one["higher_is_better"]]
    found = []
    for metric in metrics or [first["primary"]]:
        factor = 100 if first["metrics"][metric]["form"].endswith("%") else 1
        values = [factor * value for value in values_of(runs, metric)]
        if not (quotes(measured.value, [mean(values)]) or quotes(measured.value, values)):
            found.append(f"{metric}: {', '.join(f'{value:.6g}' for value in values)} is not quoted")
    seconds = mean(run["cpu_s"] for run in runs)
    if not 1 / COST <= measured.seconds / seconds <= COST:
        found.append(f"{seconds:.1f} processor seconds, and {measured.seconds:g} are quoted")
    return found


def quotes(text: str, values: Sequence[float]) -> bool:
    """Whether a text has every one of some numbers, rounded to as many digits as it gives.

    A whole number in the text stands for a whole value only.
    """
    numbers = NUMBER.findall(THOUSANDS.sub("", text))
    return all(any(_rounds(value, number) for number in numbers) for value in values)


def _rounds(value: float, number: str) -> bool:
    digits = len(number.partition(".")[2])
    return f"{value:.{digits}f}" == number and (digits > 0 or value == int(value))
