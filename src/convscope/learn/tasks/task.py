"""The base class of training tasks: losses of a batch, metrics, optimizers, evaluation.

`Trainer` iterates, pauses, stores and resumes; a task defines what is optimised and measured.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from convscope.learn.batches.source import BatchSource, can_share, iter_batches, make_batches
from convscope.learn.execution import choose_execution
from convscope.learn.optimization.schedules import lr_factor
from convscope.learn.tasks.metrics import MetricSpec, Table, epochs_table
from convscope.learn.trainer.distributed import ALONE, Processes
from convscope.nets import Net, frozen
from convscope.nets.inference.execution import ExecutionConfig
from convscope.worlds import Batch

if TYPE_CHECKING:
    from convscope.learn.tasks.findings import Finding
    from convscope.learn.trainer.events import Epoch

MAIN = "main"
"""Name of the optimizer of a task that has one."""


@dataclass(frozen=True)
class StepOutput:
    """Hold one loss of a batch, for one step of one optimizer.

    Attributes:
        loss: the scalar that the step minimises.
        sums: what is summed over an epoch, `[task.metric_sums]`, detached.
        weights: the only parameters that the step updates; None for all of the optimizer that the loss
            depends on.
        optimizer: name of the optimizer that takes the step, a key of `Task.optimizers`.
        total_weight: sum of the samples' weights, where the loss is a weighted mean of them; None for a plain
            mean. The gradients of parts of a batch are put together by it.
    """

    loss: Tensor
    sums: Tensor
    weights: Sequence[nn.Parameter] | None = None
    optimizer: str = MAIN
    total_weight: Tensor | None = None


@dataclass(frozen=True)
class EvalResult:
    """Hold the metrics of a network on held-out data, and what else a task has to say about them.

    Attributes:
        metrics: by name, as the task defines them.
        worst: the most frequent mistake, in words.
        summary: sentences on the result, for people.
        details: all that is known of the result, JSON-ready, for programs.
        evidence: what the metrics were computed from, for `Task.findings`; None where the task keeps nothing.
    """

    metrics: Mapping[str, float]
    worst: str = ""
    summary: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    evidence: Any = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return metrics, worst mistake and details as one JSON-ready dict; NaN and infinity become None."""
        finite = {name: value if isfinite(value) else None for name, value in self.metrics.items()}
        return {**finite, "worst": self.worst, **self.details}


class Task(ABC):
    """Define what a training optimises and measures.

    A task has at least a `training_step`. All that it decides must follow from network, data, recipe and
    step, so that a run can be resumed exactly. One that `convscope train` and `train(resume=...)` shall find
    by its name is registered with `register_task`.

    Attributes:
        metric_sums: number of values that are summed over an epoch.
        metric_specs: the metrics, in the order in which they are shown.
        primary_metric: name of the metric by which trainings are compared; one of `metric_specs`.
    """

    metric_sums: int = 1
    metric_specs: tuple[MetricSpec, ...] = (MetricSpec("loss"),)
    primary_metric: str = "loss"

    @property
    def primary(self) -> MetricSpec:
        """The spec of the primary metric."""
        return next(spec for spec in self.metric_specs if spec.name == self.primary_metric)

    @classmethod
    def from_recipe(cls, recipe: Any) -> Self:
        """Build the task of a recipe.

        Args:
            recipe: recipe of the training, of the task's own schema.

        Returns:
            The task. This one takes no settings.
        """
        return cls()

    def settings(self) -> Mapping[str, Any]:
        """Return the settings that this task was built with, for the recipe of the run.

        Returns:
            Values by field of the recipe, such that `from_recipe` builds the same task. This one has none.
        """
        return {}

    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Check that network and data fit, and return the network as it is trained.

        Args:
            net: network that was given; left unchanged.
            data: what the task learns from.
            recipe: recipe of the training.

        Returns:
            A network that shares the module, with the specification of what it learns to return; here the
            same one.

        Raises:
            UsageError: network and data do not fit.
            DataError: there is no data.
        """
        return net

    def initialize(self, net: Net, data: Any, recipe: Any) -> None:  # noqa: B027  # most tasks need nothing
        """Set weights that a training begins with, in place; here none. Not called where one is resumed.

        Args:
            net: network that `prepare` returned.
            data: what the task learns from.
            recipe: recipe of the training.

        Raises:
            UsageError: the network has no such weights.
        """

    def make_batches(self, net: Net, data: Any, recipe: Any) -> BatchSource:
        """Build the batch source.

        Args:
            net: network to train, from `prepare`.
            data: a `Dataset`, or a sized iterable of batches such as a DataLoader.
            recipe: recipe with seed and batch size.

        Returns:
            The batch source.

        Raises:
            DataError: there is no data.
            UsageError: `data` is something else.
        """
        return make_batches(data, net, recipe)

    def optimizers(self, net: Net, recipe: Any) -> Mapping[str, Sequence[nn.Parameter]]:
        """Return the parameters of each optimizer of the training.

        All optimizers are of the recipe's kind and follow its schedule; each has a state, gradient clipping
        and loss scaling of its own.

        Args:
            net: network to train.
            recipe: recipe of the training.

        Returns:
            Parameters by name of the optimizer (lower-case letters, digits, `_`). By default one, `main`, of
            all trainable parameters.
        """
        return {MAIN: [p for p in net.module.parameters() if p.requires_grad]}

    def learning(self, net: Net, epoch: int) -> Iterable[nn.Parameter] | None:
        """Return the parameters that learn in an epoch, by default None for all that an optimizer has.

        Args:
            net: network to train.
            epoch: number of the epoch, from 1.

        Returns:
            The parameters; a recipe that freezes all of them in this epoch is refused.
        """
        return None

    @property
    def lr_flag(self) -> str:
        """The flag that sets the highest learning rate of the current epoch, for hints."""
        return "--lr"

    def lr_scales(self, net: Net, recipe: Any) -> Mapping[nn.Parameter, float]:
        """Return factors of the learning rates of parameters.

        Args:
            net: network to train.
            recipe: recipe of the training.

        Returns:
            Factors by parameter; those that are left out have 1. By default all.
        """
        return {}

    def output_weights(self, net: Net) -> Iterable[nn.Parameter]:
        """Return the parameters of the last layer, where Muon shall leave them to AdamW.

        Args:
            net: network to train.

        Returns:
            Parameters of the network. By default none.
        """
        return ()

    def learning_rate(self, recipe: Any, max_lr: float, step: int, steps: int) -> float:
        """Return the learning rate of a step: by default the recipe's schedule over the whole training.

        Args:
            recipe: recipe of the training.
            max_lr: highest learning rate.
            step: step of the training, from 0, counted over all epochs.
            steps: steps of an epoch.

        Returns:
            The learning rate, positive.
        """
        return max_lr * lr_factor(recipe, step, recipe.epochs * steps)

    def check_held_out(self, data: Any) -> None:  # noqa: B027  # most tasks take what `evaluate` takes
        """Refuse data to test on, or to choose by, before anything is computed or written.

        Args:
            data: what the caller gave.

        Raises:
            UsageError: the training cannot evaluate on it. By default nothing is refused.
        """

    def preparation(
        self, net: Net, source: BatchSource, held_out: Sequence[Any], epoch: int
    ) -> Iterator[float]:
        """Compute what the batches are made from, before the first step and after every resumption.

        Args:
            net: network to train.
            source: what `make_batches` returned.
            held_out: what is tested on and what is chosen by, as far as there is any.
            epoch: index of the epoch in which the training begins or continues, from 0.

        Yields:
            The share that is done, 0 to 1, now and then. By default nothing is computed.
        """
        yield from ()

    def set_training_mode(self, module: nn.Module) -> None:
        """Put a module into the mode in which it is trained: by default `module.train()`.

        Args:
            module: the network's module; the modes that it had are restored when the training ends.
        """
        module.train()

    def begin_epoch(self, epoch: int) -> None:  # noqa: B027  # most tasks need nothing
        """Note that an epoch begins or, after a resumption, goes on. By default nothing is done.

        Args:
            epoch: index of the epoch, from 0.
        """

    def choose_execution(self, net: Net, recipe: Any, example: Callable[[], Batch]) -> ExecutionConfig:
        """Choose the fastest precision and memory format on this machine, by timing `training_step`.

        Args:
            net: network to train; left unchanged.
            recipe: recipe with `precision`, `memory_format` and `batch`.
            example: returns a batch of the training; called only where something must be timed.

        Returns:
            The precision and memory format of the training.
        """
        batches: list[Batch] = []

        def losses(copy: Net, execution: ExecutionConfig) -> Iterator[Tensor]:
            if not batches:
                batches.append(example())
            yield from (output.loss for output in self.outputs(copy, batches[0], execution, 0))

        return choose_execution(net, recipe, losses)

    @abstractmethod
    def training_step(
        self, net: Net, batch: Batch, execution: ExecutionConfig, step: int
    ) -> StepOutput | Iterable[StepOutput]:
        """Compute the losses of a batch.

        Args:
            net: network to train.
            batch: as the task's batch source yields them.
            execution: precision and memory format of the forward pass.
            step: step of the training, from 0, counted over all epochs.

        Returns:
            One loss, or several, as an iterable (the method may be a generator): each is computed after the
            optimizer of the one before has taken its step, and each belongs to another optimizer.
        """

    def after_update(self, net: Net) -> None:  # noqa: B027  # most tasks need nothing
        """Change weights after a step of an optimizer, such as to project them. By default nothing is done.

        Parameters that are frozen as a whole have `requires_grad` False meanwhile, and must be left as they
        are; elements frozen in others are restored afterwards.

        Args:
            net: network to train.
        """

    def outputs(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> Iterator[StepOutput]:
        """Iterate over the losses of a batch, whatever `training_step` returns.

        Args:
            net: network to train.
            batch: as the task's batch source yields them.
            execution: precision and memory format of the forward pass.
            step: step of the training, from 0.

        Yields:
            The losses, one for each optimizer that takes a step.
        """
        found = self.training_step(net, batch, execution, step)
        yield from (found,) if isinstance(found, StepOutput) else found

    def metrics(self, sums: Sequence[float], seen: int) -> Mapping[str, float]:
        """Compute metrics from the sums of an epoch.

        Args:
            sums: sums so far, as many as `metric_sums`.
            seen: number of samples of the batches that were summed.

        Returns:
            Metrics by name, of those in `metric_specs`. By default means of the first of them: each sum
            divided by the number of samples.
        """
        names = (spec.name for spec in self.metric_specs[: self.metric_sums])
        return {name: total / max(seen, 1) for name, total in zip(names, sums, strict=True)}

    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Evaluate the network on held-out data.

        By default `training_step` is run on all of it, in evaluation mode, without gradients and in float32:
        the numbers are those of the network that is saved, whatever the precision of its training.

        Args:
            net: network to evaluate; left unchanged.
            data: what the caller gave to test on.
            execution: precision and memory format of the training.

        Returns:
            The metrics.
        """
        return self._evaluate_sums(net, data, execution, ALONE)

    def evaluate_together(
        self, net: Net, data: Any, execution: ExecutionConfig, processes: Processes
    ) -> EvalResult:
        """Evaluate the network in several processes, each on its share of a `Dataset`.

        A task with an `evaluate` of its own, and none of these, evaluates on all data in every process.

        Args:
            net: network to evaluate, the same in each process; left unchanged.
            data: what the caller gave to test on.
            execution: precision and memory format of the training.
            processes: all processes; each makes this call.

        Returns:
            What `evaluate` returns for all data, in every process.
        """
        if type(self).evaluate is not Task.evaluate:
            return self.evaluate(net, data, execution)
        return self._evaluate_sums(net, data, execution, processes)

    def _evaluate_sums(
        self, net: Net, data: Any, execution: ExecutionConfig, processes: Processes
    ) -> EvalResult:
        """Evaluate by the sums of `training_step`, over the shares of all processes."""
        execution = execution.exact()
        processes = processes if can_share(data, processes) else ALONE
        sums, seen = torch.zeros(self.metric_sums, dtype=torch.float64), 0
        with torch.no_grad(), frozen(net.module):
            for batch in iter_batches(data, net, processes=processes):
                for output in self.outputs(net, batch, execution, 0):
                    sums += output.sums.double().cpu()
                seen += batch.size
        (seen,) = processes.totals(seen)
        return EvalResult(self.metrics(processes.sum(sums).tolist(), seen))

    def finished(self, net: Net, validation: Any) -> Net:
        """Return a finished training's network as it is saved.

        Args:
            net: the trained network, with the weights that are saved.
            validation: the part of the training data that was held out to choose by.

        Returns:
            A network that shares the module, such as one whose output is calibrated; here the same one.
        """
        return net

    def findings(self, net: Net, data: Any, tested: EvalResult) -> "Sequence[Finding]":
        """Return what a report of the training shows of a test beside its metrics.

        Args:
            net: the trained network.
            data: what it was tested on.
            tested: what `evaluate` returned for them.

        Returns:
            Findings in the order in which they are shown. By default none: the report has the curves of all
            metrics.
        """
        return ()

    def commands(self, folder: str, recipe: Any) -> Sequence[str]:
        """Return terminal commands that use a trained network.

        Args:
            folder: the run's folder, quoted for a shell.
            recipe: recipe of the training.

        Returns:
            One command each; by default the one that describes the network.
        """
        return (f"convscope describe {folder}",)

    def table(self, epochs: "Sequence[Epoch]") -> Table:
        """Lay out the epochs of a training as a table.

        Args:
            epochs: the finished epochs.

        Returns:
            One row for each epoch, with all metrics of training and test data.
        """
        return epochs_table(self.metric_specs, epochs)
