"""A policy network as an evaluator, averaged over the symmetries of the board where that is wanted."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from convscope.errors import UsageError
from convscope.graph.spec import GO
from convscope.nets import Net, NetLike, frozen, takes_network
from convscope.nets.inference.inference_copy import inference_copy
from convscope.use.go.evaluators import Evaluation
from convscope.worlds.go import Board, encode, plane_names, symmetry

MOST_SYMMETRIES = 8


class NetworkPolicy:
    """Evaluate positions with a network.

    The network's first output has a logit for each point, or one more for a pass; a second one, of one number
    in [-1, 1], is the value. With several symmetries each position is looked at turned and mirrored; the
    probabilities, taken back to the points where they belong, are averaged, and so are the values.

    Source: Silver et al. 2016, Methods, "Symmetries", doi:10.1038/nature16961.

    Args:
        net: a network for boards, or its name.
        symmetries: 1 for the board as it is, 8 for the mean over all.

    Attributes:
        size: side of the boards that it takes.
        net: the network, or a faster copy of it.
        has_value: whether it says who wins.

    Raises:
        UsageError: it is no network for boards, or has outputs of another form.
    """

    def __init__(self, net: NetLike, symmetries: int = 1) -> None:
        given = _on_boards(net)
        self.size: int = given.input_spec.shape[-1]
        if not 1 <= symmetries <= MOST_SYMMETRIES:
            raise UsageError(
                "1 to 8 symmetries",
                received=str(symmetries),
                hint="8 is the mean over all turns and mirror images.",
            )
        self.symmetries = symmetries
        self._planes = plane_names(given.input_spec)
        example = torch.from_numpy(encode(Board(self.size), self._planes)).float()[None]
        self.net = inference_copy(given, example, [])
        self.has_value = self._run(example)[1] is not None

    def __call__(self, boards: Sequence[Board]) -> Evaluation:
        """Evaluate positions.

        Args:
            boards: positions of the network's size.

        Returns:
            Logits of the points, or logarithms of mean probabilities; the value, where the network has one.

        Raises:
            UsageError: the boards are of another size.
        """
        if boards[0].size != self.size:
            wanted, given = f"{self.size}x{self.size}", f"{boards[0].size}x{boards[0].size}"
            raise UsageError(
                f"boards of {wanted} for {self.net.name}",
                received=given,
                hint="Choose a network for that size.",
            )
        planes = torch.from_numpy(np.stack([encode(board, self._planes) for board in boards])).float()
        if self.symmetries == 1:
            logits, value = self._run(planes)
        else:
            logits, value = self._averaged(planes)
        return Evaluation(logits.numpy(), None if value is None else value.numpy())

    def _averaged(self, planes: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the logarithm of the mean probabilities, and the mean value, over the symmetries."""
        seen = torch.cat([symmetry.apply(planes, number) for number in range(self.symmetries)])
        logits, value = self._run(seen)
        shares = logits.double().softmax(-1).unflatten(0, (self.symmetries, len(planes)))
        mean = torch.zeros_like(shares[0])
        points = self.size**2
        for number, one in enumerate(shares):
            board = one[:, :points].unflatten(1, (self.size, self.size))
            mean[:, :points] += symmetry.apply(board, symmetry.inverse(number)).flatten(1)
            mean[:, points:] += one[:, points:]
        mean /= self.symmetries
        values = None if value is None else value.unflatten(0, (self.symmetries, len(planes))).mean(0)
        return mean.log(), values

    def _run(self, planes: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the network's logits `[b, n]` and value `[b]`, on the CPU."""
        with frozen(self.net.module), torch.no_grad():
            output = self.net(planes)
        if not isinstance(output, Mapping):
            return output.double().cpu(), None
        first, *others = output.values()
        return first.double().cpu(), others[0].flatten().double().cpu() if others else None


@takes_network
def _on_boards(net: Net) -> Net:
    """Check that a network looks at boards, and has a policy."""
    shape, classes = net.input_spec.shape, len(net.classes)
    square = net.input_spec.kind == GO and len(shape) == 3 and shape[1] == shape[2]
    if not square or classes not in (shape[1] ** 2, shape[1] ** 2 + 1):
        raise UsageError(
            "a network that looks at Go boards and chooses a point",
            received=f"{net.name}, which looks at {'x'.join(map(str, shape))} and has {classes} classes",
            hint="convscope nets lists those that there are.",
        )
    return net
