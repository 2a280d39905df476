"""Compare runs: their metrics, differing settings, and whether accuracies differ by more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from convscope.errors import UsageError
from convscope.learn.runs.listing import RunSummary, open_run
from convscope.learn.tasks.metrics import MetricSpec
from convscope.recipe.result import Result
from convscope.worlds import difference_interval

MOST_RUNS = 12
"""Most runs that are compared: more curves in one figure cannot be told apart."""
SEED = "seed"
WITHOUT_EFFECT = ("track",)
"""Settings that change no result, and are not compared."""


@dataclass(frozen=True)
class AccuracyDifference(Result):
    """Compare the accuracy of the best run with that of another.

    Attributes:
        best: name of the run with the highest accuracy.
        other: name of the other run.
        difference: of the accuracies, 0 or positive.
        interval: its interval; with all others of the comparison it holds with 95%.
    """

    best: str
    other: str
    difference: float
    interval: tuple[float, float]

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval excludes 0, so that other test samples would be expected to agree."""
        return self.interval[0] > 0


@dataclass(frozen=True)
class RunComparison(Result):
    """Compare runs.

    Attributes:
        runs: in the order that was given.
        settings: setting -> its value in each run, where they are not all the same; None where it has none.
        specs: the metrics that are shown, in order.
        differences: the best accuracy against each other one; empty where they cannot be compared.
        incomparable: why there are no `differences`: empty, `metric`, `size`, `data` or `task`.
    """

    runs: tuple[RunSummary, ...]
    settings: Mapping[str, tuple[Any, ...]]
    specs: tuple[MetricSpec, ...]
    differences: tuple[AccuracyDifference, ...] = ()
    incomparable: str = ""

    @property
    def seeds(self) -> tuple[float, float] | None:
        """Mean and standard deviation of the primary metric of runs that differ in their seeds only.

        None where they differ in something else, or are fewer than two finished ones.
        """
        values = [run.value for run in self.runs if run.value is not None and run.run.finished]
        if set(self.settings) != {SEED} or len(values) != len(self.runs):
            return None
        return mean(values), stdev(values)

    @property
    def remarks(self) -> tuple[Mapping[str, str], ...]:
        """What the differences do not show, or why there are none, by language (`en`, `zh`)."""
        if self.differences:
            return (CAVEAT,)
        return (REASONS[self.incomparable],) if self.incomparable else ()

    @property
    def summary(self) -> tuple[str, ...]:
        """Sentences on the comparison, for people."""
        lines = [_sentence(found) for found in self.differences]
        lines += [remark["en"] for remark in self.remarks]
        if self.seeds is not None:
            average, spread = self.seeds
            spec = self.runs[0].primary
            form = spec.form if spec else ".4g"
            lines.append(
                f"They differ only in the seed: {average:{form}} on average, with a standard deviation of "
                f"{spread:{form}} over {len(self.runs)} runs."
            )
        elif len(self.runs) > 1 and not self.settings:
            lines.append("Their settings are the same.")
        return tuple(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison, JSON-ready."""
        return {
            "runs": [run.to_json() for run in self.runs],
            "settings": {name: list(values) for name, values in self.settings.items()},
            "metrics": [
                {
                    "name": spec.name,
                    "heading": spec.heading,
                    "texts": [spec.text(run.test_metrics) for run in self.runs],
                }
                for spec in self.specs
            ],
            "differences": [
                {
                    "best": found.best,
                    "other": found.other,
                    "difference": found.difference,
                    "interval": list(found.interval),
                    "beyond_chance": found.beyond_chance,
                }
                for found in self.differences
            ],
            "incomparable": self.incomparable,
            "seeds": None if self.seeds is None else list(self.seeds),
            "summary": list(self.summary),
        }


CAVEAT = {
    "en": "The intervals are Newcombe's for the difference of two shares, and hold for all "
    "comparisons at once. They treat the tests as independent: with the same test "
    "pictures for all runs, differences beyond chance may go unnoticed. Another seed "
    "moves the result too, which one training each does not show: train several.",
    "zh": "区间按 Newcombe 的方法计算两个比例之差，并对所有比较同时成立。计算时把各次测试视为独立："
    "若各次运行用同样的测试图像，可能漏掉超出偶然的差别。换随机种子也会改变结果，"
    "而每种设置只训练一次看不出这一点：应多训练几次。",
}
"""What the intervals are for, by language."""
REASONS = {
    "metric": {
        "en": "Not all of these runs measured an accuracy, so nothing is said about chance.",
        "zh": "并非每次运行都测量了正确率，因此不对偶然性下结论。",
    },
    "size": {
        "en": "The number of test samples is not known for all of these runs, so nothing is said "
        "about chance.",
        "zh": "并非每次运行都记录了测试样本数，因此不对偶然性下结论。",
    },
    "data": {
        "en": "These runs were tested on different data: their accuracies do not compare.",
        "zh": "这些运行的测试数据不同：正确率不可比较。",
    },
    "task": {
        "en": "These runs are of different tasks: their metrics do not compare.",
        "zh": "这些运行的任务不同：指标不可比较。",
    },
}
"""What `RunComparison.incomparable` says, by language."""


def compare_runs(*runs: str | Path | RunSummary) -> RunComparison:
    """Compare runs by their metrics and settings.

    Accuracies are compared with the best one by Newcombe's interval of the difference of two shares,
    corrected for their number (Bonferroni).

    Args:
        *runs: two or more: folders, or what `list_runs` found.

    Returns:
        The comparison.

    Raises:
        UsageError: there are fewer than two or too many, or one is given twice.
        DataError: a folder holds no run, or a damaged one.
    """
    if not 2 <= len(runs) <= MOST_RUNS:
        raise UsageError(
            f"2 to {MOST_RUNS} runs to compare",
            received=str(len(runs)),
            hint="Name the folders of runs: convscope runs runs/first runs/second",
        )
    found = tuple(run if isinstance(run, RunSummary) else _opened(Path(run)) for run in runs)
    folders = [run.run.folder.absolute() for run in found]
    twice = next((folder for folder in folders if folders.count(folder) > 1), None)
    if twice is not None:
        raise UsageError(
            "each run once",
            received=f"{twice.name}, more than once",
            hint="Leave it out once. convscope runs lists the others.",
        )
    differences, incomparable = _differences(found)
    return RunComparison(found, _settings(found), _shown(found), differences, incomparable)


def _opened(folder: Path) -> RunSummary:
    """Open the run of a folder, whatever verb made it."""
    found = open_run(folder)
    if found is None:
        raise UsageError(
            "the folder of a run of a training",
            received=f"{folder}, which holds the result of another verb",
            hint="convscope runs lists the runs below a folder.",
        )
    return found


def _settings(runs: Sequence[RunSummary]) -> dict[str, tuple[Any, ...]]:
    """Return the settings that are not the same in all runs."""
    names = dict.fromkeys(["verb", *(name for run in runs for name in run.settings)])
    every = [{"verb": run.run.recipe.verb, **run.settings} for run in runs]
    table = {
        name: tuple(values.get(name) for values in every) for name in names if name not in WITHOUT_EFFECT
    }
    return {name: values for name, values in table.items() if any(value != values[0] for value in values)}


def _shown(runs: Sequence[RunSummary]) -> tuple[MetricSpec, ...]:
    """Return the metrics that at least one run has measured, those of the first run first."""
    specs: dict[str, MetricSpec] = {}
    for run in runs:
        saved = run.epoch
        measured = {**saved.metrics, **saved.validation_metrics, **saved.test_metrics} if saved else {}
        for spec in run.specs:
            if measured.get(spec.name) is not None:
                specs.setdefault(spec.name, spec)
    return tuple(specs.values())


def _differences(runs: Sequence[RunSummary]) -> tuple[tuple[AccuracyDifference, ...], str]:
    """Compare the best accuracy with the others; else say why they do not compare."""
    if len({run.run.task for run in runs}) > 1:
        return (), "task"
    if any(run.test_metrics.get("accuracy") is None for run in runs):
        return (), "metric"
    counts = [run.right for run in runs]
    known = [count for count in counts if count is not None]
    if len({run.data for run in runs}) > 1:
        return (), "data"
    if len(known) < len(runs):
        return (), "size"
    if len({total for _, total in known}) > 1:
        return (), "data"
    best = max(range(len(runs)), key=lambda k: known[k][0])
    pairs = len(runs) * (len(runs) - 1) // 2  # which run is the best is seen in the data itself
    found = []
    for k, run in enumerate(runs):
        if k == best:
            continue
        difference = (known[best][0] - known[k][0]) / known[k][1]
        interval = difference_interval(known[best], known[k], together=pairs)
        found.append(AccuracyDifference(runs[best].name, run.name, difference, interval))
    return tuple(found), ""


def _sentence(found: AccuracyDifference) -> str:
    """Say of a difference whether it is more than chance."""
    low, high = found.interval
    span = f"{found.difference:.2%} apart, 95% interval {low:+.2%} to {high:+.2%}"
    if found.beyond_chance:
        return f"{found.best} is more accurate than {found.other}, by more than chance ({span})."
    return f"This test cannot tell {found.best} from {found.other}: the difference may be chance ({span})."
