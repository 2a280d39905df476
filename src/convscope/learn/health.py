"""Why the numbers went wrong."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from convscope.errors import TrainingError
from convscope.nets import Net


def diagnose(
    net: Net, inputs: Tensor, loss_of: Callable[[Tensor], Tensor], when: str, lr: float, precision: str
) -> TrainingError:
    """Find what first was NaN or infinite when the loss of a batch is.

    Args:
        net: in the state in which it met the batch.
        inputs: the batch, as it went into the network.
        loss_of: runs the network on the batch and returns its loss.
        when: epoch and step, for the message.
        lr: the learning rate of the step before.
        precision: of the training.
    """
    hint = f"Try a lower learning rate (--lr {lr / 10:.2g}), or --clip 1"
    hint += "." if precision == "fp32" else ", or --precision fp32."
    where = f"at {when}, learning rate {lr:.3g}, {precision}"
    if not bool(torch.isfinite(inputs).all()):
        return TrainingError(
            "finite numbers in the data", received=f"NaN or infinity in a batch {where}",
            hint="Look at how the pictures are made: a division by zero, a logarithm of zero.",
        )  # fmt: skip
    broken = [name for name, p in net.module.named_parameters() if not bool(torch.isfinite(p).all())]
    if broken:
        layer = broken[-1].rpartition(".")[0] or broken[-1]
        cause = (
            f"the step before had NaN or infinite gradients from {layer} backwards ({len(broken)} tensors)"
        )
    else:
        layer = first_broken(net.module, lambda: loss_of(inputs))
        cause = (
            f"{layer} was the first layer with NaN or infinite activations" if layer else "only the loss is"
        )
    return TrainingError("a finite loss", received=f"{cause}, {where}", hint=hint)


def first_broken(module: nn.Module, run: Callable[[], object]) -> str:
    """The first layer, in the order in which they run, that returns NaN or infinity; empty if none does."""
    broken: list[str] = []

    def watch(name: str) -> Callable[..., None]:
        def note(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
                broken.append(name)

        return note

    leaves = [(name, part) for name, part in module.named_modules() if name and not any(part.children())]
    handles = [part.register_forward_hook(watch(name)) for name, part in leaves]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return broken[0] if broken else ""
