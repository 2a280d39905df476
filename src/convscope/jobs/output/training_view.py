"""What a training shows while it runs: curve, kernels of the first layer, answers for test samples."""

import base64
from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.jobs.output.workspace import Artifact, Workspace

if TYPE_CHECKING:
    from convscope.learn import (
        ClassifiedSamples,
        Epoch,
        EvalResult,
        Trainer,
        TrainingSetup,
        TrainProgress,
        TrainRecipe,
    )

SAMPLES = "samples.png"
"""Name of the picture of test samples in a run's folder."""
TILE = 48
"""Longest side of a sample in that picture, in pixels."""
LONGEST_TEXT = 1000
"""Characters of a text that are shown."""
MOST_POINTS = 512
"""Points of the curve; when there are more, every second one is left out."""
MOST_WEIGHTS = 64 * 3 * 11 * 11
"""Most weights of kernels that are shown."""
MOST_CLASSES = 128
"""Most classes of which a confusion matrix is shown."""


class TrainingView:
    """Collect what is shown of a running training, and give it as a JSON-ready document.

    Args:
        recipe: settings that are followed.
        setup: network, data and task.
        run_folder: the run's folder, to which the picture of test samples is written.
        workspace: lists it.

    Attributes:
        requested: whether a document was asked for.
    """

    def __init__(
        self, recipe: "TrainRecipe", setup: "TrainingSetup", run_folder: Path, workspace: Workspace
    ) -> None:
        self.recipe, self.setup, self.run_folder, self.workspace = recipe, setup, run_folder, workspace
        self.requested = False
        self.points: list[dict[str, Any]] = []
        self.epochs: list[dict[str, Any]] = []
        self._every, self._skipped = 1, 0
        self._tested: EvalResult | None = None
        self._samples: dict[str, Any] | None = None
        self._trainer: Trainer | None = None
        self._now: dict[str, Any] = {}

    def add(self, event: "Epoch | TrainProgress", trainer: "Trainer") -> None:
        """Note an event of the training.

        Args:
            event: progress, or a finished epoch.
            trainer: knows what is frozen, and the learning rates.
        """
        from convscope.learn import Epoch

        self._trainer = trainer
        if isinstance(event, Epoch):
            self.epochs.append(event.to_json())
            if event.tested is not None:
                self._tested, self._samples = event.tested, None
            steps = trainer.batch_source.steps
            self._now = {"epoch": event.index, "step": steps, "steps": steps}
            self._now |= {"loss": event.metrics.get("loss"), "metrics": dict(event.metrics)}
        else:
            self._now = {"epoch": event.epoch, "step": event.step, "steps": event.steps}
            self._now |= {"loss": event.loss, "metrics": dict(event.metrics)}
        self._now |= {"lr": event.lr, "samples_per_second": event.samples_per_second}
        if isinstance(event, Epoch) or event.preparing is None:
            self._add_point()

    def set_trainer(self, trainer: "Trainer") -> None:
        """Show a training that was paused before its first event.

        Args:
            trainer: knows what is frozen, and the learning rates.
        """
        self._trainer = trainer

    def _add_point(self) -> None:
        """Add where the training is to the curve, which is thinned when it has too many points."""
        now = self._now
        self._skipped += 1
        if self._skipped >= self._every:
            self._skipped = 0
            epochs_done = round(now["epoch"] - 1 + now["step"] / max(now["steps"], 1), 4)
            self.points.append(
                {"epochs_done": epochs_done, "loss": now["loss"], "lr": now["lr"], **now["metrics"]}
            )
        if len(self.points) > MOST_POINTS:
            self.points, self._every = self.points[::2], 2 * self._every

    def document(self) -> dict[str, Any]:
        """Return what there is to show now; the picture of test samples is written if it is outdated.

        Returns:
            JSON fields `run` (name of its folder), `now` (`epoch`, `step`, `steps`, `lr`,
            `samples_per_second`, `loss`, `metrics`), `paused`, `max_lr` (of the schedule), `lr_changes`
            (`LRChange.to_json()` of each), `controls` (`Outcome.to_json()` of each request),
            `planned_epochs`, `metrics` (`name`, `heading`, `higher_is_better` of each), `curve` (points:
            `epochs_done`, `loss`, `lr` and metrics of the epoch so far), `epochs` (`Epoch.to_json()` of
            each), `frozen` (names), `kernels` (of the first layer, see `kernels`), `test` (evaluation after
            the last epoch; null before) and `samples` (see `test_samples`; null without any).
        """
        self.requested = True
        task, trainer = self.setup.task, self._trainer
        return {
            "run": self.run_folder.name,
            "now": self._now,
            "paused": self.workspace.controls.paused,
            "max_lr": trainer and trainer.rates.max_lr,
            "lr_changes": [change.to_json() for change in trainer.rates.changes] if trainer else [],
            "controls": [outcome.to_json() for outcome in self.workspace.controls.outcomes],
            "planned_epochs": self.recipe.epochs,
            "metrics": [
                {"name": m.name, "heading": m.heading, "higher_is_better": m.higher_is_better}
                for m in task.metric_specs
            ],
            "curve": list(self.points),
            "epochs": list(self.epochs),
            "frozen": list(trainer.freezer.frozen) if trainer else [],
            "kernels": kernels(self.setup.net),
            "test": self._test(),
            "samples": self.test_samples(),
        }

    def _test(self) -> dict[str, Any] | None:
        """Return the last evaluation, without a confusion matrix that is too large to be shown."""
        found = None if self._tested is None else self._tested.to_json()
        if found is not None and len(found.get("confusion") or ()) > MOST_CLASSES:
            found["confusion"] = None
        return found

    def test_samples(self) -> dict[str, Any] | None:
        """Return the test samples of each cell of the confusion matrix, and write the picture of them.

        Returns:
            JSON fields `image` (file name; null for texts), `tile` (side in pixels), `columns`, `sound`
            (whether they can be heard) and `samples`: for each tile, in order, `index` in the test data,
            `label` and `prediction` (classes), `probability` (of the prediction), `file` (its path below the
            folder of the data; null where it is none) and `text` (null where it is none). None where the
            task classifies no samples that can be drawn or read, or before the first test.
        """
        if self._samples is None and self._tested is not None:
            setup = self.setup
            findings = setup.task.findings(setup.net, setup.test, self._tested)
            self._samples = next(filter(None, map(self._drawn, findings)), None)
        return self._samples

    def _drawn(self, finding: Any) -> dict[str, Any] | None:
        """Draw the samples of a classifier's test; None for any other finding."""
        from PIL import Image

        from convscope.learn import ClassifiedSamples
        from convscope.recipe import stamp
        from convscope.show.images import input_image, png
        from convscope.show.report.figures.training import cell_images
        from convscope.worlds import world_of

        if not isinstance(finding, ClassifiedSamples):
            return None
        found, data = finding.evaluation, finding.samples
        indices = [i for cell in cell_images.choose(found).values() for i in cell]
        samples = _answers(finding, indices, Path(getattr(self.recipe, "data", "")))
        if not indices or hasattr(data, "texts"):
            texts = {"image": None, "tile": 0, "columns": 1, "sound": False, "samples": samples}
            return texts if indices else None
        timeline = world_of(data.spec).has_timeline
        if not timeline and not data.spec.axes.endswith("h w"):
            return None
        images = [input_image.opaque(tensor, data.spec) for tensor in data.inputs(indices)]
        side = min(2 * TILE if timeline else TILE, max(max(image.size) for image in images))
        columns = max(1, ceil(sqrt(len(images))))
        sheet = Image.new("RGB", (columns * side, ceil(len(images) / columns) * side), input_image.BACK)
        for i, image in enumerate(images):
            sheet.paste(input_image.fitted(image, side), (i % columns * side, i // columns * side))
        png.save(sheet, self.run_folder / SAMPLES, stamp(self.recipe))
        artifact = Artifact(SAMPLES, "image", "test samples of each cell of the confusion matrix")
        if artifact not in self.workspace.artifacts:
            self.workspace.artifacts.append(artifact)
        return {
            "image": SAMPLES,
            "tile": side,
            "columns": columns,
            "sound": timeline,
            "samples": samples,
        }


def _answers(finding: "ClassifiedSamples", indices: Sequence[int], root: Path) -> list[dict[str, Any]]:
    """Return class, prediction and its probability of some test samples, and files or texts, if they are any.

    Args:
        finding: the test.
        indices: of the samples.
        root: folder of the data, below which its files lie.
    """
    found, data = finding.evaluation, finding.samples
    paths, texts = getattr(data, "paths", getattr(data, "files", ())), getattr(data, "texts", ())
    return [
        {
            "index": i,
            "label": int(found.labels[i]),
            "prediction": int(found.predictions[i]),
            "probability": round(float(found.probabilities[i].max()), 4),
            "file": _below(Path(paths[i]), root) if paths else None,
            "text": texts[i][:LONGEST_TEXT] if texts else None,
        }
        for i in indices
    ]


def _below(path: Path, root: Path) -> str:
    """Return the path of a file below a folder; of a file elsewhere its name."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def kernels(net: Any) -> dict[str, Any] | None:
    """Return the kernels of a network's first convolution.

    Args:
        net: the network.

    Returns:
        JSON fields `layer`, `shape` (units, input channels, extent), `low` and `high` (of all weights) and
        `values` (base64 of a byte for each weight, from `low` to `high`); None for a network without
        convolutions, or with more than `MOST_WEIGHTS` weights there in one unit.
    """
    from convscope.see.features import filters, layers_with_filters

    layers = layers_with_filters(net)
    if not layers:
        return None
    weights = filters(net, layers[0], show="mean").weights
    units = MOST_WEIGHTS // max(1, weights[0].numel())
    shown = weights[:units]
    if not units:
        return None
    low, high = float(shown.min()), float(shown.max())
    scaled = (shown - low) * (255 / max(high - low, 1e-12))
    values = scaled.round().clamp(0, 255).byte().contiguous().numpy().tobytes()
    return {
        "layer": layers[0],
        "shape": list(shown.shape),
        "low": low,
        "high": high,
        "values": base64.b64encode(values).decode("ascii"),
    }
