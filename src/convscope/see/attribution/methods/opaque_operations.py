"""Function modes that change how operations are differentiated, and refuse operations that they cannot see.

Every autograd node has to come from a call that the mode intercepted. Traced and scripted networks, custom
autograd functions, compiled code and kernels called from C++ add nodes past any function mode; their
gradients would enter the result unchanged and unnoticed.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from convscope.errors import UsageError
from convscope.nets.activations.tree import tree_leaves


class Watched(TorchFunctionMode):
    """Base class of function modes that change how operations are differentiated.

    Args:
        module: the network, whose layers are named in errors.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.inside: list[str] = []
        self.handles: list[Any] = []
        self.known: set[Any] = set()
        self.passed: set[Any] = set()

    def handled(self, func: Callable[..., Any], args: Any, kwargs: Any, flows: list[Tensor]) -> Any:
        """Call a function on tensors of the graph; subclasses change its gradient.

        Args:
            func: the function, as `__torch_function__` gets it.
            args: its positional arguments.
            kwargs: its keyword arguments.
            flows: those tensors among the arguments that require a gradient.

        Returns:
            What the function returns.
        """
        return func(*args, **kwargs)

    def refusal(self, what: str) -> UsageError:
        """Create the error for an operation that the mode cannot handle.

        Args:
            what: the operation, in words.

        Returns:
            The error, which names the running layer and methods that would do.
        """
        return UsageError(
            "operations that this method can see into",
            received=f"{what} in {self.layer}",
            hint="Use a method that any network takes: integrated, occlusion or rise.",
        )

    @property
    def layer(self) -> str:
        """The name of the layer that is running."""
        return next((name for name in reversed(self.inside) if name), "the network itself")

    @override
    def __enter__(self) -> Any:
        for name, part in self.module.named_modules():
            self._check_compiled(name, part)
        for name, part in self.module.named_modules():
            if name and isinstance(part, torch.jit.ScriptModule):
                continue  # some take no hooks; their outputs are verified by the module around them
            enter = part.register_forward_pre_hook(lambda *_, name=name: self.inside.append(name))
            self.handles += [enter, part.register_forward_hook(self._leave, always_call=True)]
        return super().__enter__()

    def _check_compiled(self, name: str, part: nn.Module) -> None:
        """Refuse modules compiled by `torch.compile`."""
        compiled = getattr(part, "_compiled_call_impl", None) is not None
        if compiled or type(part).__name__ == "OptimizedModule":
            raise UsageError(
                "operations that this method can see into",
                received=f"{name or 'the network'}, compiled by torch.compile",
                hint="Explain the module that was compiled (its _orig_mod), or use integrated or occlusion.",
            )

    def _leave(self, module: nn.Module, _inputs: Any, output: Any) -> None:
        """Verify a module's outputs at the end of its call."""
        try:
            for _, tensor in tree_leaves(output):
                self.verify(tensor, module)
        finally:
            self.inside.pop()

    @override
    def __exit__(self, *problem: Any) -> None:
        super().__exit__(*problem)
        for handle in self.handles:
            handle.remove()
        for kept in (self.handles, self.inside, self.known, self.passed):
            kept.clear()

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        given = flat((args, kwargs))
        flows = [t for t in given if t.requires_grad]
        if not flows or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        before = {t.grad_fn for t in given}
        if getattr(func, "__name__", "") == "__iter__":
            out = list(args[0].unbind(0))
            self._know([*out, *given], before)
            return iter(out)
        out = self.handled(func, args, kwargs, flows)
        self._know([*flat(out), *given], before)
        return out

    def _know(self, tensors: list[Tensor], before: set[Any]) -> None:
        """Add the autograd nodes that a call created, up to those that existed before it."""
        stack = [t.grad_fn for t in tensors]
        while stack:
            node = stack.pop()
            if node is None or node in before or node in self.known:
                continue
            self.known.add(node)
            stack += [after for after, _ in node.next_functions]

    def verify(self, tensor: Tensor, module: nn.Module | None = None) -> None:
        """Refuse a tensor whose autograd graph has nodes that no intercepted call created.

        Args:
            tensor: such as a layer's output or the scores.
            module: the module that returned it, to describe scripted ones.

        Raises:
            UsageError: there is such a node; the error names it and its layer.
        """
        stack = [tensor.grad_fn]
        while stack:
            node = stack.pop()
            if node is None or node in self.passed or hasattr(node, "variable"):
                continue
            if node not in self.known:
                raise self.refusal(_described(node, module))
            self.passed.add(node)
            stack += [after for after, _ in node.next_functions]


def _described(node: Any, module: nn.Module | None) -> str:
    """Describe an autograd node that no intercepted call created."""
    name = str(node.name())
    if isinstance(module, torch.jit.ScriptModule):
        return "a traced or scripted network (torch.jit)"
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        if name.startswith("CompiledFunction"):
            return "code compiled by torch.compile"
        return f"the custom autograd function {name.removesuffix('Backward')}"
    if "NotImplemented" in name:
        return "an operation without a gradient of its own (quantised, or a custom kernel)"
    return f"{name.split('Backward')[0]}, which no call in Python shows (torch.jit or compiled code)"


def flat(values: Any) -> list[Tensor]:
    """List the tensors in nested lists, tuples and dictionaries.

    Args:
        values: anything; what is neither a tensor nor a container is skipped.

    Returns:
        The tensors in order.
    """
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, list | tuple):
        return [t for value in values for t in flat(value)]
    if isinstance(values, dict):
        return [t for value in values.values() for t in flat(value)]
    return []
