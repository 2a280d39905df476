"""Training of networks that predict the next move of a Go game and, where they have a value, its winner."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Self

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor
from torch.nn import functional
from typing_extensions import override

from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn.batches.source import BatchSource, DatasetBatches, seed_of
from convscope.learn.tasks.findings import Finding, NumberTable
from convscope.learn.tasks.go.baselines import NAMES, TopMoves, measure_baselines
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.task import EvalResult, StepOutput, Task
from convscope.nets import Net
from convscope.nets.inference.execution import ExecutionConfig
from convscope.system.counting import counted
from convscope.worlds import Batch, Dataset, Problem, wilson_interval
from convscope.worlds.dataset import Indices
from convscope.worlds.go import GoPositions, symmetry

POLICY, VALUE = "policy", "value"
"""Names of the outputs of a network that has both."""


class GoPolicy(Task):
    """Train a network by cross-entropy on the moves of recorded games, and by squared error on who won.

    Accuracies are over all points, legal or not, in positions where a stone was set; passes are left out.

    Args:
        value_weight: weight of the squared error of the value, where the network has one.
        symmetries: whether each position is turned and mirrored at random, with its move.

    Source: Silver et al. 2016, doi:10.1038/nature16961; the sum of both losses: Silver et al. 2017,
        doi:10.1038/nature24270.
    """

    metric_sums = 5
    metric_specs = (
        MetricSpec("loss", form=".4f"),
        MetricSpec("top1", "top 1", ".2%", higher_is_better=True, low=0, high=1),
        MetricSpec("top5", "top 5", ".2%", higher_is_better=True, low=0, high=1),
        MetricSpec("value_error", "value error", ".4f", optional=True),
        MetricSpec("winner", "winner right", ".2%", higher_is_better=True, low=0, high=1, optional=True),
    )
    primary_metric = "top1"

    def __init__(self, value_weight: float = 0.25, symmetries: bool = True) -> None:
        self.value_weight, self.symmetries = value_weight, symmetries
        self._train: GoPositions | None = None
        self._seed = 0
        self._has_value = False
        self._baselines: Mapping[str, TopMoves] = {}

    @classmethod
    @override
    def from_recipe(cls, recipe: Any) -> Self:
        return cls(getattr(recipe, "value_weight", 0.25), getattr(recipe, "symmetries", True))

    @override
    def settings(self) -> Mapping[str, Any]:
        return {"value_weight": self.value_weight, "symmetries": self.symmetries}

    @override
    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Check that network and data fit, and name the points.

        Args:
            net: network to train; left unchanged.
            data: `GoPositions`.
            recipe: its seed is used for the linear baseline.

        Returns:
            The network with the names of the points as classes of its first output.

        Raises:
            UsageError: the data are no positions, or the network has another number of outputs.
        """
        data = require_positions(data)
        with torch.no_grad():
            was = net.module.training
            net.module.eval()
            logits, value = split_outputs(net(data.inputs([0]).to(net.device)))
            net.module.train(was)
        if logits.shape[1:] != (len(data.classes),):
            raise UsageError(
                f"a network with a logit for each of {len(data.classes)} points",
                received=f"{net.name}, which returns {tuple(logits.shape[1:])}",
                hint="End it in: conv 1 1x1 bias=false, positionbias, flatten",
            )
        self._train, self._seed, self._has_value = data, recipe.seed, value is not None
        first = replace(net.output_spec, kind="logits", classes=data.classes)
        return replace(net, output_specs=(first, *net.output_specs[1:]))

    @override
    def make_batches(self, net: Net, data: Any, recipe: Any) -> BatchSource:
        kind = SymmetricBatches if self.symmetries else DatasetBatches
        return kind(MovesAndOutcomes(require_positions(data)), net, recipe)

    @override
    def training_step(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> StepOutput:
        """Compute the loss of a batch.

        Args:
            net: network to train.
            batch: planes, and as targets `move` `[b]` and `value` `[b]`.
            execution: precision and memory format of the forward pass.
            step: step of the training, from 0; not used.

        Returns:
            The loss, and the sums of cross-entropy, of moves that are the first and among the first five, of
            the squared error of the value, and of winners that are right.
        """
        moves, outcomes = batch.targets["move"], batch.targets["value"]
        with execution.autocast(batch.device):
            logits, value = split_outputs(net(*map(execution.to_memory_format, batch.inputs)))
        logits = logits.float()
        entropy = functional.cross_entropy(logits, moves)
        loss, sums = entropy, [entropy.detach() * len(moves), *_hits(logits.detach(), moves)]
        if value is None:
            sums += [torch.zeros_like(entropy), torch.zeros_like(entropy)]
        else:
            error, right = _value_terms(value.float().flatten(), outcomes)
            loss = loss + self.value_weight * error
            sums += [error.detach() * len(moves), right * len(moves)]
        return StepOutput(loss, torch.stack([one.double().cpu() for one in sums]).to(entropy.device))

    @override
    def metrics(self, sums: Sequence[float], seen: int) -> Mapping[str, float]:
        """Compute means; those of the value only where the network has one."""
        found = dict(super().metrics(sums, seen))
        if not self._has_value:
            del found["value_error"], found["winner"]
        return found

    @override
    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Evaluate the network on positions of games that were not learned from, beside the baselines.

        Args:
            net: network to evaluate; left unchanged.
            data: `GoPositions`.
            execution: precision and memory format of the training.

        Returns:
            The metrics; as details and evidence the baselines, which are fitted once.
        """
        from convscope.learn.trainer.distributed import ALONE

        data = require_positions(data)
        found = self._evaluate_sums(net, MovesAndOutcomes(data), execution, ALONE)
        if not self._baselines and self._train is not None:
            self._baselines = measure_baselines(self._train, data, self._seed)
        shares = {name: asdict(one) for name, one in self._baselines.items()}
        text = ", ".join(f"{name} {one.top1:.1%}" for name, one in self._baselines.items())
        low, high = wilson_interval(round(found.metrics["top1"] * len(data)), len(data))
        sentence = (
            f"Of {counted(len(data), 'move')} in games that were not learned from, "
            f"{found.metrics['top1']:.1%} are the network's first choice (95% interval {low:.1%} to "
            f"{high:.1%}) and {found.metrics['top5']:.1%} among its first five. First choices of "
            f"baselines: {text}."
        )
        own = TopMoves(found.metrics["top1"], found.metrics["top5"])
        return replace(
            found,
            summary=(sentence,),
            details={"baselines": shares, "positions": len(data)},
            evidence={"network": own, **self._baselines},
        )

    @override
    def findings(self, net: Net, data: Any, tested: EvalResult) -> Sequence[Finding]:
        """Return a table of the network beside the baselines.

        Args:
            net: not used.
            data: not used.
            tested: what `evaluate` returned.

        Returns:
            The table.
        """
        found = tested.evidence
        if not isinstance(found, Mapping):
            return ()
        rows = [(_ROWS[name], (f"{one.top1:.2%}", f"{one.top5:.2%}")) for name, one in found.items()]
        return (NumberTable(_TITLE, _HEADS, rows, _CAPTION),)

    @override
    def commands(self, folder: str, recipe: Any) -> Sequence[str]:
        """Return commands that look at a game with the network.

        Args:
            folder: the run's folder, quoted for a shell.
            recipe: not used.

        Returns:
            One command each.
        """
        return (f"convscope classify GAME.sgf --net {folder}", f"convscope explain GAME.sgf --net {folder}")


class MovesAndOutcomes(Dataset):
    """Positions with two targets each: `move`, the point that was played, and `value`, who won.

    Args:
        positions: the positions.
    """

    def __init__(self, positions: GoPositions) -> None:
        self.positions, self.name = positions, positions.name

    @property
    @override
    def specs(self) -> tuple[TensorSpec, ...]:
        return self.positions.specs

    @property
    @override
    def problems(self) -> tuple[Problem, ...]:
        return self.positions.problems

    @override
    def __len__(self) -> int:
        return len(self.positions)

    @override
    def batch(self, indices: Indices) -> Batch:
        """Return planes, with `move` `[b]` and `value` `[b]` as targets."""
        found = self.positions.batch(indices)
        chosen = torch.as_tensor(indices)
        return Batch(found.inputs, {"move": found.targets, "value": self.positions.outcomes[chosen]})

    @override
    def take(self, indices: Indices) -> "MovesAndOutcomes":
        """Return the subset of some positions."""
        return MovesAndOutcomes(self.positions.take(indices))


class SymmetricBatches(DatasetBatches):
    """Yield shuffled batches of positions, each turned and mirrored at random, with its move.

    Which symmetry each has follows from seed, epoch and step.
    """

    @override
    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """Yield the batches of one epoch.

        Args:
            epoch: index of the epoch, from 0.
            skip: number of batches to leave out at the beginning.

        Yields:
            Planes, and as targets `move` and `value`.
        """
        for step, batch in enumerate(super().batches(epoch, skip), start=skip):
            generator = Generator().manual_seed(seed_of(self.recipe.seed, "symmetry", epoch, step))
            drawn = torch.randint(symmetry.COUNT, (batch.size,), generator=generator).to(batch.device)
            yield turned(batch, drawn)


def turned(batch: Batch, drawn: Int64[Tensor, " b"]) -> Batch:
    """Turn and mirror positions with their moves.

    Args:
        batch: planes, and as targets `move` and `value`.
        drawn: number of each position's symmetry, 0 to 7.

    Returns:
        A batch of the same form.
    """
    planes, moves = batch.inputs[0].clone(), batch.targets["move"].clone()
    maps = symmetry.point_map(planes.shape[-1]).to(moves.device)
    for number in range(1, symmetry.COUNT):
        chosen = drawn == number
        planes[chosen] = symmetry.apply(planes[chosen], number)
    moves = maps[drawn, moves]
    return Batch((planes,), {**batch.targets, "move": moves})


def require_positions(data: Any) -> GoPositions:
    """Check that data are positions of Go.

    Args:
        data: any data.

    Returns:
        The same data.

    Raises:
        UsageError: they are something else.
    """
    if not isinstance(data, GoPositions):
        raise UsageError(
            "positions of recorded Go games",
            received=getattr(data, "name", type(data).__name__),
            hint="convscope train --recipe go-9x9, or GoPositions(read_games(PATH))",
        )
    return data


def split_outputs(result: Any) -> tuple[Float[Tensor, "b points"], Tensor | None]:
    """Return the logits of the points and the value in what a network returned.

    Args:
        result: a tensor of logits, or a dict with `policy` and `value`.

    Returns:
        Logits, and the value `[b 1]` or None.
    """
    if isinstance(result, Mapping):
        return result[POLICY], result.get(VALUE)
    return result, None


def _hits(logits: Tensor, moves: Tensor) -> list[Tensor]:
    """Count moves that are the first and among the first five."""
    ranked = logits.topk(min(5, logits.shape[1]), 1).indices == moves[:, None]
    return [ranked[:, 0].sum(), ranked.sum()]


def _value_terms(value: Tensor, outcomes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean squared error, and the share of winners that are right, where a winner is known."""
    known = outcomes != 0
    count = known.sum().clamp_min(1)
    error = ((value - outcomes).square() * known).sum() / count
    right = ((value.detach() * outcomes > 0) & known).sum() / count
    return error, right


_TITLE = {"en": "Moves that are predicted, in unseen games", "zh": "对未见棋谱的着法预测"}
_HEADS = (
    {"en": "first choice", "zh": "首选命中"},
    {"en": "among five", "zh": "前五命中"},
)
_ROWS: Mapping[str, Mapping[str, str]] = {
    "network": {"en": "this network", "zh": "本网络"},
    NAMES[0]: {"en": "most frequent empty point", "zh": "最常见的空点"},
    NAMES[1]: {"en": "most frequent displacement from the last move", "zh": "相对上一手最常见的位移"},
    NAMES[2]: {"en": "linear rule of 3x3 points", "zh": "3x3 线性规则"},
}
_CAPTION = {
    "en": "Games are divided before positions are drawn: no position of a tested game was learned from. All "
    "points count, legal or not; passes are left out.",
    "zh": "先按对局划分，再抽取局面：被测对局的任何局面都未参与训练。所有点都计入，不论是否合法；虚手不计。",
}
