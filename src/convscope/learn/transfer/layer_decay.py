"""Layer-wise learning rates: the nearer a layer is to the input, the lower its rate.

Source: Howard and Ruder 2018, arXiv:1801.06146; Bao et al. 2021, BEiT, arXiv:2106.08254.
"""

from typing import Any

from torch import nn

from convscope.nets import Net

GROUP = 12
"""Consecutive parameters that have the same rate, where a network does not say how it is divided."""


def layer_lr_scales(net: Net, decay: float, head: str = "") -> dict[nn.Parameter, float]:
    """Return the factor of each parameter's learning rate: `decay ** (groups behind it)`.

    Networks of timm say themselves into which groups their layers fall; of others, every `GROUP` parameters
    in the order of the module, as in timm's `auto_group_layers`. The head is the last group, of factor 1.

    Args:
        net: the network.
        decay: factor from one group to the one before it, above 0 and at most 1.
        head: path of the module that is the last group.

    Returns:
        Factors, above 0 and at most 1, by parameter.
    """
    named = dict(net.module.named_parameters())
    groups = _groups(net.module, list(named), head)
    last = max(groups.values(), default=0)
    return {parameter: decay ** (last - groups[name]) for name, parameter in named.items()}


def _groups(module: nn.Module, names: list[str], head: str) -> dict[str, int]:
    """Return the group of each parameter, the lowest at the input, without gaps."""
    matcher: Any = getattr(module, "group_matcher", None)
    if matcher is not None:
        from timm.models import group_parameters

        found: Any = group_parameters(module, matcher(coarse=False), reverse=True)
        levels = {level: k for k, level in enumerate(sorted({found[n] for n in names if n in found}))}
        return {name: levels.get(found.get(name), len(levels) - 1) for name in names}
    trunk = [name for name in names if not (head and name.startswith(f"{head}."))]
    groups = {name: number // GROUP for number, name in enumerate(trunk)}
    return dict.fromkeys(names, max(groups.values(), default=-1) + bool(head)) | groups
