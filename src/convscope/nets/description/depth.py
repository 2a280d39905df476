"""Compute the depth of a network: the weighted layers on the longest path from input to output."""

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from convscope.nets.activations.freezing import frozen, run

_WEIGHTED = {
    torch.ops.aten.convolution.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.mm.default,
}


class _Depths(TorchDispatchMode):
    """Assign to every tensor the number of weighted layers before it, along the longest path."""

    def __init__(self) -> None:
        super().__init__()
        self.of = WeakTensorKeyDictionary()
        self.deepest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        before = [self.of.get(leaf, 0) or 0 for leaf in leaves if isinstance(leaf, Tensor)]
        result = func(*args, **kwargs)
        depth = max(before, default=0) + (func in _WEIGHTED)
        self.deepest = max(self.deepest, depth)
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.of[leaf] = depth
        return result


def depth(module: nn.Module, *inputs: Tensor) -> int:
    """Count the convolutions and dense layers on the longest path from input to output.

    This is the number in the names of VGG-16, ResNet-50 and DenseNet-121. A depthwise and a pointwise
    convolution count as two. On the meta device only shapes are computed.

    Args:
        module: run once in evaluation mode; its state is restored.
        *inputs: tensors on the module's device, normalised, with batch axis.

    Returns:
        The number of weighted layers.
    """
    with frozen(module), torch.no_grad(), _Depths() as depths:
        run(module, *inputs)
    return depths.deepest
