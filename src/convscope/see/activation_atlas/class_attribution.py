"""Attribute class logits to an activation vector inside a network, by forward-mode differentiation."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.autograd import forward_ad

from convscope.errors import GraphError
from convscope.nets import LayerAddress, Net, frozen, layer_shapes
from convscope.nets.activations.address import RESULT
from convscope.nets.activations.axes import Spot, units_first
from convscope.nets.activations.recording import last_axes
from convscope.nets.activations.tree import tree_leaves, tree_replace
from convscope.nets.network import is_out_of_memory


@dataclass(frozen=True, eq=False)
class LogitAttribution:
    """What activation vectors contribute to the logits of their images, on the CPU.

    Attributes:
        contributions: to each class's logit, to first order; their mean over the classes is 0.
        logits: of the whole images.
    """

    contributions: Float[Tensor, "b k"]
    logits: Float[Tensor, "b k"]


def vectors_to_logits(
    net: Net,
    place: LayerAddress,
    images: Float[Tensor, "b *shape"],
    positions: Int64[Tensor, "b axes"],
    baseline: Float[Tensor, " c"] | None = None,
) -> LogitAttribution | None:
    """Compute the contribution of one activation vector of each image to every class's logit, to first order.

    This is the product of the Jacobian d logits / d activation with the difference between the activation at
    that position and a baseline (gradient times activation), for all classes in one forward pass with a
    tangent. The mean over classes is subtracted, on which no probability depends.

    Args:
        net: any network with one input.
        place: a whole layer.
        images: in the spec's value range.
        positions: a position on the feature map of each image.
        baseline: the vector that contributes nothing, such as the mean of many; zeros if left out.

    Returns:
        The contributions, and the logits of the images; None where the result is no matrix of logits, does
        not depend on the layer, or an operation on the way has no forward derivative.

    Raises:
        RuntimeError: memory ran out.

    Source: Carter et al. 2019, "Activation Atlas", Distill, doi:10.23915/distill.00015, "class attribution".
    """
    dual = _Dual(net, place, positions, baseline)
    modules = dict(net.module.named_modules())
    with _quiet(), frozen(net.module), torch.no_grad(), forward_ad.dual_level():
        handle = modules[place.layer].register_forward_hook(dual.hook) if place.layer in modules else None
        try:
            result = net(images.to(net.device))
            result = result if handle is not None else dual.exchanged(result)
            logits = next(iter(dict(tree_leaves(result)).values()), None)
            pair = None if logits is None or logits.dim() != 2 else forward_ad.unpack_dual(logits)
        except (GraphError, RuntimeError) as error:  # no forward derivative: a network makes it a GraphError
            if is_out_of_memory(error):
                raise
            return None
        finally:
            if handle is not None:
                handle.remove()
        if pair is None or pair.tangent is None:
            return None
        product = pair.tangent - pair.tangent.mean(1, keepdim=True)
        return LogitAttribution(product.float().cpu(), pair.primal.detach().float().cpu())


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings that torch emits when it first loads its forward derivatives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


class _Dual:
    """Give a layer's activation a tangent: at one position of each image its value less a baseline."""

    def __init__(
        self,
        net: Net,
        place: LayerAddress,
        positions: Int64[Tensor, "b axes"],
        baseline: Float[Tensor, " c"] | None,
    ) -> None:
        self.place, self.positions = place, positions
        self.baseline = torch.zeros(()) if baseline is None else baseline
        self.calls: Counter[str] = Counter()
        self.last = last_axes(net)
        self.wanted = 1 if place.layer == RESULT else place.call or len(layer_shapes(net)[place.layer])

    @property
    def hook(self) -> Callable[[nn.Module, Any, Any], Any]:
        def passed(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            self.calls[self.place.layer] += 1
            return self.exchanged(output) if self.calls[self.place.layer] == self.wanted else None

        return passed

    def exchanged(self, output: Any) -> Any:
        parts = dict(tree_leaves(output))
        key = self.place.key if self.place.key is not None else next(iter(parts))
        spot = (self.place.layer, self.wanted, key)
        return tree_replace(output, lambda part: self._dual(part, spot) if part is parts[key] else part)

    def _dual(self, act: Float[Tensor, "b *shape"], spot: Spot) -> Float[Tensor, "b *shape"]:
        baseline = self.baseline.to(act)
        if act.dim() <= 2:
            return forward_ad.make_dual(act, act - baseline)
        tangent = torch.zeros_like(act)
        at = (torch.arange(len(act)), slice(None), *self.positions.unbind(1))
        units_first(tangent, spot, self.last)[at] = units_first(act, spot, self.last)[at] - baseline
        return forward_ad.make_dual(act, tangent)
