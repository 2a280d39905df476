"""Base class of this package's own optimizers: a step is one computation for each parameter group."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import optim
from typing_extensions import override


class GroupedOptimizer(optim.Optimizer, ABC):
    """Take each step group by group, as torch's optimizers do; subclasses say what a group's step is."""

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
