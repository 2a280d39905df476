"""One of several processes that train together: `python together.py FOLDER SCENARIO...`.

Each stores what it ends with as `FOLDER/<scenario>-<rank>.pt`; the environment says how many there are. With
one process the same trainings are what those of several are compared with.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.utils.data import DataLoader, TensorDataset

from convscope import nets
from convscope.errors import ConvscopeError
from convscope.graph.chain import chain
from convscope.graph.spec import TensorSpec
from convscope.learn import ClassificationRecipe, Epoch, StepOutput, Task, Trainer, iter_train, iter_train_run
from convscope.nets import Net
from convscope.system import processes
from convscope.worlds import ImageTensorDataset
from convscope.worlds.datasets import digits

torch.set_num_threads(1)
SMOOTH = "conv 4 5x5 stride=2, tanh, flatten, dense 10"
NORMED = "conv 4 5x5 stride=2, batchnorm, tanh, flatten, dense 10"
DROPPED = "conv 4 5x5 stride=2, tanh, flatten, dropout 0.5, dense 10"
PLAIN: dict[str, Any] = {
    "epochs": 2,
    "batch": 32,
    "optimizer": "sgd",
    "lr": 0.05,
    "schedule": "constant",
    "precision": "fp32",
    "memory_format": "contiguous",
    "device": "cpu",
}


def small(text: str = SMOOTH) -> Net:
    return nets.wrap(nets.build(chain("1x28x28", text), seed=0), TensorSpec((1, 28, 28)), tuple("0123456789"))


def images(count: int = 101) -> ImageTensorDataset:
    """So many digits: the last batch has 5, of which the processes get 3 and 2."""
    return digits.train().take(range(count))


def imbalanced() -> ImageTensorDataset:
    found = digits.train()
    rows = torch.cat([(found.labels == k).nonzero().flatten()[: 3 + 3 * k] for k in range(10)])
    return found.take(rows)


class TwoSteps(Task):
    """Two optimizers, the second of which has a loss that depends on the step of the first."""

    metric_sums = 1

    def optimizers(self, net: Net, recipe: Any) -> dict[str, list[nn.Parameter]]:
        first, *_, last = [part for part in net.module.children() if list(part.parameters())]
        return {"first": list(first.parameters()), "last": list(last.parameters())}

    def training_step(self, net: Net, batch: Any, execution: Any, step: int) -> Any:
        for name in ("first", "last"):
            loss = nn.functional.cross_entropy(net(*batch.inputs), batch.targets)
            yield StepOutput(loss, loss.detach()[None] * batch.size, optimizer=name)


class Sums(Task):
    """Evaluated by the sums of its training step."""

    def training_step(self, net: Net, batch: Any, execution: Any, step: int) -> StepOutput:
        losses = net(*batch.inputs).square().mean(1)
        return StepOutput(losses.mean(), losses.detach().sum()[None])


def ended(trainer: Trainer, epochs: list[Epoch], **more: Any) -> dict[str, Any]:
    evidence = epochs[-1].tested.evidence if epochs and epochs[-1].tested is not None else None
    return {
        "weights": {name: value.clone() for name, value in trainer.net.module.state_dict().items()},
        "metrics": [(dict(e.metrics), dict(e.test_metrics)) for e in epochs],
        "answers": None if evidence is None else (evidence.labels, evidence.probabilities),
        **more,
    }


def trained(
    net: Net, data: Any, task: Task | None = None, test: Any = None, **settings: Any
) -> dict[str, Any]:
    trainer = iter_train(net, data, test, ClassificationRecipe(**(PLAIN | settings)), task=task)
    return ended(trainer, [event for event in trainer if isinstance(event, Epoch)])


def loader() -> DataLoader:
    data = images(96)
    return DataLoader(TensorDataset(data.images / 255, data.labels), batch_size=32, shuffle=True)


def stopped(folder: Path) -> dict[str, Any]:
    """Process 1 is asked to stop after the second step."""
    recipe = ClassificationRecipe(**(PLAIN | {"epochs": 50}))
    events = iter_train_run(small(), images(), None, recipe, out=folder / "stopped")
    events.trainer.pause()
    message = ""
    try:
        for _event in events:
            if events.trainer.step == 2 and processes.rank() == processes.count() - 1:
                os.kill(os.getpid(), signal.SIGTERM)
            events.trainer.pause()
    except ConvscopeError as error:
        message = f"{type(error).__name__} {error}"
    return ended(events.trainer, [], message=message, position=(events.trainer.epoch, events.trainer.step))


def broken() -> dict[str, Any]:
    """Of 32 samples in a batch, the share of process 1 has one that is NaN."""
    inputs, labels = images(32).images / 255, images(32).labels
    inputs[31] = float("nan")
    data = DataLoader(TensorDataset(inputs, labels), batch_size=32)
    try:
        return trained(small(), data)
    except ConvscopeError as error:
        return {"message": f"{type(error).__name__} {error}"}


SCENARIOS = {
    "plain": lambda _: trained(small(), images(), momentum=0.9, weight_decay=0.1, clip=0.5, ema=0.9),
    "weighted": lambda _: trained(small(), imbalanced(), class_weights="balanced"),
    "accumulated": lambda _: trained(small(), images(), gradient_accumulation_steps=3),
    "two": lambda _: trained(small(), images(), TwoSteps(), gradient_accumulation_steps=2),
    "loader": lambda _: trained(small(), loader()),
    "frozen": lambda _: trained(small(), images(), freeze=("conv1:2", "dense1.bias"), weight_decay=0.1),
    "probed": lambda _: trained(small(), images(600), probe_epochs=1, probe_lr=0.05),
    "normed": lambda _: trained(small(NORMED), images(128), epochs=1, batch=128),
    "dropped": lambda _: trained(small(DROPPED), images()),
    "tested": lambda _: trained(small(), images(), test=digits.test().take(range(53)), epochs=1),
    "summed": lambda _: trained(small(), images(), Sums(), test=digits.test().take(range(53)), epochs=1),
    "stopped": stopped,
    "broken": lambda _: broken(),
}


def restarting(folder: Path) -> None:
    """A run by torchrun: process 1 is killed after the second epoch of the first start, where so asked."""
    recipe = ClassificationRecipe(**(PLAIN | {"epochs": 4}))
    fatal = os.environ.get("KILL_ONCE") and processes.rank() == 1 and not processes.restarts()
    for event in iter_train_run(small(DROPPED), images(), None, recipe, out=folder):
        if isinstance(event, Epoch) and event.index == 3 and fatal:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    where, *names = sys.argv[1:]
    if names == ["restarting"]:
        restarting(Path(where))
    for one in names:
        if one in SCENARIOS:
            torch.save(SCENARIOS[one](Path(where)), Path(where) / f"{one}-{processes.rank()}.pt")
    if distributed.is_initialized():
        distributed.destroy_process_group()  # as at the end of every process
        threads = [task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").glob("*")]
        torch.save(threads, Path(where) / f"threads-{processes.rank()}.pt")
