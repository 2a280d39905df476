"""Base class of this package's own optimizers: a step is one computation for each parameter group."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from inspect import unwrap
from typing import Any

import torch
from torch import optim
from typing_extensions import override


class GroupedOptimizer(optim.Optimizer, ABC):
    """Take each step group by group, as torch's optimizers do; subclasses say what a group's step is."""

    # torch wraps these so that torch.compile leaves them alone. The wrapper imports torch.compile's front end
    # at the first call, compiled or not, which takes a second.
    add_param_group = unwrap(optim.Optimizer.add_param_group)
    zero_grad = unwrap(optim.Optimizer.zero_grad)
    state_dict = unwrap(optim.Optimizer.state_dict)
    load_state_dict = unwrap(optim.Optimizer.load_state_dict)

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Take a step.

        Args:
            closure: computes the loss and the gradients anew; by default they are there already.

        Returns:
            What `closure` returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self.update(group)
        return loss

    @abstractmethod
    def update(self, group: dict[str, Any]) -> None:
        """Move the weights of a group, without gradients being recorded.

        Args:
            group: its parameters and settings; weights without a gradient stay as they are.
        """
