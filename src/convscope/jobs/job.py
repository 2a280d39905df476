"""Run any recipe: an iterator of progress that can be cancelled at any moment, and then keeps what it has."""

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from convscope.errors import Interrupted, UsageError, nearest
from convscope.jobs import registry
from convscope.jobs.inputs import require_device
from convscope.jobs.output import results
from convscope.jobs.output.dialogue import Dialogue
from convscope.jobs.output.workspace import Workspace
from convscope.recipe import Recipe
from convscope.system import processes, signals
from convscope.system.progress import Progress, TimeLeft

Document = dict[str, Any]
"""A result as JSON-ready values: what a verb prints with `--json`."""
Steps = Generator[Progress[Document | None], None, None]
"""What a job's `run` returns."""
Item = TypeVar("Item")
AGAIN = "Run the same command with another --out to finish."
GO_ON = "Run the same command again to go on."


def run(
    recipe: Recipe,
    out: Path | str | None = None,
    *,
    log: Callable[[str], None] | None = None,
    dialogue: Dialogue | None = None,
) -> "Job":
    """Begin the job of a recipe; its steps are run by iterating.

    Args:
        recipe: settings of any verb.
        out: path of the result, which must not exist or be an empty folder; None for one under `runs/`. The
            document of a job without files of its own is written there.
        log: called with each line that is meant for people.
        dialogue: whom a job talks with that talks while it runs; nobody if left out.

    Returns:
        The job.

    Raises:
        UsageError: the path is taken or cannot be written to, or there is no such verb.
        MissingError: the recipe's device is not there.
    """
    path = None if out is None else Path(out)
    if path is not None and processes.rank() == 0 and not processes.restarts():
        results.free(path)
    require_device(recipe)
    workspace = Workspace(path) if log is None else Workspace(path, log)
    return Job(recipe, workspace if dialogue is None else replace(workspace, dialogue=dialogue))


class Job(Iterator[Progress[Document | None]]):
    """A running job: iterating it does the work, and yields progress with the document so far.

    Each step also has an estimate of the remaining time on this machine (`Progress.left`). The documents are
    those that the command line prints with `--json`. After the last step `document` is the
    whole result. A stop (`cancel`, or KeyboardInterrupt) makes the job save what it has, and end with
    `Interrupted`.

    Args:
        recipe: the settings; its class belongs to one verb of `JOBS`.
        workspace: where it writes, and what it tells.

    Attributes:
        recipe: the settings.
        workspace: lists the files written so far (`artifacts`).
        document: the result; None until the job has ended, and where another process answers.
        ended: whether there are no further steps.
    """

    def __init__(self, recipe: Recipe, workspace: Workspace) -> None:
        if recipe.verb not in registry.JOBS:
            raise UsageError(
                "a recipe of a verb that exists",
                received=recipe.verb,
                hint=nearest(recipe.verb, registry.JOBS),
            )
        self.recipe, self.workspace = recipe, workspace
        self.document: Document | None = None
        self.ended = False
        self._stop = threading.Event()
        self._last: Progress[Document | None] | None = None
        self._left = TimeLeft()
        self._steps = registry.load(recipe.verb).run(recipe, workspace)

    def __next__(self) -> Progress[Document | None]:
        if self.ended:
            raise StopIteration
        try:
            if self._stop.is_set() and not isinstance(self._last, Finished):
                self._stop.clear()
                self._last = self._steps.throw(KeyboardInterrupt())
            else:
                self._last = next(self._steps)
        except StopIteration:
            self.ended = True
            self.document = self._finished()
            raise
        except KeyboardInterrupt as stop:
            self.ended = True
            raise Interrupted(signals.EXPECTED, hint=signals.HINT) from stop
        except BaseException:
            self.ended = True
            raise
        return self._timed(self._last)

    def _timed(self, step: Progress[Document | None]) -> Progress[Document | None]:
        """Return a step with the remaining time, which is estimated anew after what was not steady."""
        if not step.steady:
            self._left = TimeLeft()
        left = self._left(step.fraction) if step.steady else None
        return replace(step, result=partial(self._whole, step.result), left=left)

    def cancel(self) -> None:
        """Stop at the next step, from any thread; a result that is finished stays finished."""
        self._stop.set()

    def close(self) -> None:
        """End at once, and leave nothing behind of what is not at its path."""
        self.ended = True
        self._steps.close()

    def _whole(self, found: Callable[[], Document | None]) -> Document | None:
        document = found()
        if document is None:
            return None
        return {"verb": self.recipe.verb, "recipe": self.recipe.model_dump(mode="json"), **document}

    def _finished(self) -> Document | None:
        """Return the whole document; written to the workspace's `out` if the job wrote nothing of its own."""
        if processes.rank():  # the first process answers, and writes
            return None
        document = None if self._last is None else self._whole(self._last.result)
        out = self.workspace.out
        if document is None or out is None or "out" in document:
            return document
        results.write_document(out, document)
        return {**document, "out": str(out)}


class Finished(Progress[Document]):
    """The last step of a job: its result lies at its path, and can no longer be stopped."""


def finished(document: Document) -> Finished:
    """Return the last step of a job.

    Args:
        document: the whole result.

    Returns:
        Progress without a message.
    """
    return Finished(1.0, "", lambda: document)


def mapped(
    steps: Iterator[Item], convert: Callable[[Item], Progress[Document | None]]
) -> Generator[Progress[Document | None], None, None]:
    """Yield the progress of a computation as that of a job, and throw a stop into the computation.

    What is stopped can so save what it is about, or go on for a while. In a job: `yield from mapped(...)`.

    Args:
        steps: the computation; one that is no generator is stopped here.
        convert: makes progress of a step.

    Yields:
        What `convert` makes of each step.
    """
    step = next(steps, None)
    while step is not None:
        try:
            yield convert(step)
        except KeyboardInterrupt:
            if not isinstance(steps, Generator):
                raise
            try:
                step = steps.throw(KeyboardInterrupt())
            except StopIteration:
                return
        else:
            step = next(steps, None)


def result_of(
    steps: Iterator[Progress[Item]], stopped: Callable[[str], str], *, share: float = 1.0
) -> Generator[Progress[Document | None], None, Item]:
    """Run a computation that is a part of a job to its end, and return its result.

    Args:
        steps: the progress of the computation.
        stopped: says what was stopped and what is kept, given the message of the last step; that is empty
            where there was none.
        share: fraction of the job at which the computation ends; it begins at 0.

    Yields:
        Each step, without a document.

    Returns:
        The result of the last step.

    Raises:
        Interrupted: it was stopped.
    """
    last: Progress[Item] | None = None

    def convert(step: Progress[Item]) -> Progress[Document | None]:
        nonlocal last
        last = step
        return Progress(share * step.fraction, step.message, lambda: None)

    try:
        yield from mapped(steps, convert)
    except KeyboardInterrupt:
        raise Interrupted(stopped(last.message if last else ""), hint=GO_ON) from None
    if last is None:
        raise RuntimeError("a computation yields at least one step")
    return last.result()


def save_results(
    steps: Iterator[Progress[Item | None]],
    save: Callable[[Item], Document],
    stopped: Callable[[Item, str], str],
    cut_short: Callable[[], bool] = lambda: False,
) -> Generator[Progress[Document | None], None, Document]:
    """Run a computation to its end and save its result; if it is stopped, save what there is.

    Args:
        steps: the progress of the computation.
        save: saves a result, whole or partial, and returns its document.
        stopped: says what was stopped where, given the partial result and the message of the last step.
        cut_short: whether a stop has made the computation end early by itself.

    Yields:
        Each step; its result is saved when it is asked for.

    Returns:
        The document of the whole result.

    Raises:
        Interrupted: it was stopped, and a partial result is saved; or there was no step.
        KeyboardInterrupt: it was stopped before there was anything to save.
    """
    last: Progress[Item | None] | None = None

    def convert(step: Progress[Item | None]) -> Progress[Document | None]:
        nonlocal last
        last = step
        return Progress(
            step.fraction, step.message, lambda: _save_so_far(step, save), milestone=step.milestone
        )

    try:
        yield from mapped(steps, convert)
    except KeyboardInterrupt:
        found = None if last is None else last.result()
        if found is None or last is None:
            raise
        save(found)
        raise interrupted(stopped(found, last.message)) from None
    found = None if last is None else last.result()
    if found is None or last is None:
        raise Interrupted("stopped before the first step", hint="Run the same command again.")
    document = save(found)
    if cut_short():
        raise interrupted(stopped(found, last.message))
    return document


def interrupted(what: str) -> Interrupted:
    """Return the error of a job that was stopped and has saved a part of its result.

    Args:
        what: what was stopped, and where the part is.

    Returns:
        The error, with the next step.
    """
    return Interrupted(what, hint=AGAIN)


def _save_so_far(step: Progress[Item | None], save: Callable[[Item], Document]) -> Document | None:
    found = step.result()
    return None if found is None else save(found)
