"""Teach a network.

NETWORK is a name from `convscope nets`, a run's folder (its weights are the start), or a chain of layers in
quotes. DATA is `digits` (bundled), `mnist`, `fashion-mnist`, `cifar10`, or a folder with one folder of
pictures for each class. Ctrl-C saves, and the message says how to go on, exactly where it stopped.

    convscope train lecture-relu digits --epochs 3
    convscope train "conv 8 3x3, relu, maxpool 2, flatten, dense 10" digits
    convscope train --resume runs/2026-11-22-train-lecture-relu
"""

from typing import TYPE_CHECKING, Any

from convscope.cli import inputs, results
from convscope.cli.shell import Answer, Shell
from convscope.learn.plan import Plan

if TYPE_CHECKING:
    from convscope.learn import Epoch, Evaluation, Progress

schema = Plan


def run(recipe: Plan, shell: Shell) -> Answer:
    """Train with live progress into a run's folder, then test."""
    from convscope import learn

    resumed = learn.Run.open(recipe.resume).plan if recipe.resume else None
    lesson = learn.prepare(resumed if isinstance(resumed, Plan) else recipe)
    place = shell.out or recipe.resume or results.named(f"train-{lesson.net.name}")
    inputs.say_notes(lesson.train, shell)
    epochs: list[Epoch] = []
    with shell.progress("training", 1.0) as progress:
        for event in learn.training(lesson.net, lesson.train, lesson.test, recipe, out=place):
            if isinstance(event, learn.Epoch):
                epochs.append(event)
            progress.update(event.done, _news(event))
    tested = learn.evaluate(lesson.net, lesson.test)
    data = {
        "network": lesson.net.name,
        "train": len(lesson.train),
        "epochs": [epoch.to_json() for epoch in epochs],
        "test": tested.to_json(),
        "out": str(place),
    }
    return Answer(data, lambda: _table(epochs, tested))


def _news(event: "Epoch | Progress") -> str:
    from convscope.learn import Epoch

    if not isinstance(event, Epoch):
        return f"epoch {event.epoch}/{event.epochs}  loss {event.loss:.3f}  right {event.accuracy or 0:.1%}"
    tested = f"  test {event.test_accuracy:.2%}" if event.test_accuracy is not None else ""
    worst = f"  {event.worst}" if event.worst else ""
    return f"epoch {event.index}/{event.epochs}  loss {event.train_loss:.3f}{tested}{worst}"


def _table(epochs: "list[Epoch]", tested: "Evaluation") -> Any:
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("epoch", "loss", "right", "test loss", "test right", "images/s", "seconds"):
        table.add_column(head, justify="right")
    for e in epochs:
        tests = ("", "") if e.test_accuracy is None else (f"{e.test_loss:.4f}", f"{e.test_accuracy:.2%}")
        numbers = (
            f"{e.train_loss:.4f}",
            f"{e.train_accuracy or 0:.2%}",
            *tests,
            f"{e.images_per_second:,.0f}",
        )
        table.add_row(str(e.index), *numbers, f"{e.seconds:.1f}")
    worst = f"; most often {tested.worst}" if tested.worst else ""
    line = f"{tested.accuracy:.2%} of {len(tested.labels):,} test pictures are right{worst}."
    return Group(table, line)
