"""Checks that gradients reach the input and that numbers are finite, for everything that optimises an input.

Two failures look the same in the result, an image that stays noise, and differ in kind:

- **No gradient exists.** The activation is no differentiable function of the image: it was computed under
  `no_grad`, detached, quantised, rounded to integers (argmax), or does not depend on the image. Nothing can
  be optimised, so this is an error that names the activation.
- **The gradient is exactly zero**, for this image: an inactive ReLU, a unit without weights, a piecewise
  constant function (`round`). Another image may have one, so this is reported with the result.

NaN and infinity are errors: in images they would become black or white pixels.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convscope.errors import ConvscopeError, UsageError
from convscope.nets import LayerAddress, Net, frozen, layer_shapes
from convscope.see.features.recording import record_float32
from convscope.see.optimize.objectives.objective import Objective, per_image

NAMED = 3
"""Places that a message lists at most."""


def differentiable(activation: Tensor, leaves: Sequence[Tensor]) -> bool:
    """Return whether an activation has a gradient with respect to one of these leaves.

    `requires_grad` alone is not enough: a tensor inside the network may require gradients itself, and kernels
    without a derivative (quantised ones) return tensors that require gradients and pass none. So the autograd
    graph is searched for the leaves, and where it holds such a kernel, one gradient is computed.

    Args:
        activation: any tensor.
        leaves: leaf tensors that require gradients.

    Returns:
        True where a gradient reaches a leaf, be it zero.
    """
    if not activation.is_floating_point() or not activation.requires_grad:
        return False
    if activation.grad_fn is None:
        return any(activation is leaf for leaf in leaves)
    pending, visited = [activation.grad_fn], {activation.grad_fn}
    reached = unknown_kernel = False
    while pending:
        node = pending.pop()
        reached = reached or any(getattr(node, "variable", None) is leaf for leaf in leaves)
        unknown_kernel = unknown_kernel or ("Backward" not in node.name() and not hasattr(node, "variable"))
        for following, _ in node.next_functions:
            if following is not None and following not in visited:
                visited.add(following)
                pending.append(following)
    return reached and (not unknown_kernel or _receives_gradient(activation, leaves))


def _receives_gradient(activation: Tensor, leaves: Sequence[Tensor]) -> bool:
    """Return whether backward reaches a leaf; autograd gives None where there is no gradient."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kernels without a derivative warn; that is what is tested
        found = torch.autograd.grad(activation.sum(), leaves, allow_unused=True, retain_graph=True)
    return any(gradient is not None for gradient in found)


def require_gradient(
    net: Net, objective: Objective, activations: Mapping[LayerAddress, Tensor], leaves: Sequence[Tensor]
) -> None:
    """Raise for an objective that reads an activation without a gradient back to the leaves.

    Args:
        net: the network, for the message.
        objective: what is to be maximised; each of its terms needs a gradient.
        activations: activation by layer for its places, recorded with gradients enabled.
        leaves: the tensors that are optimised.

    Raises:
        UsageError: a term reads an activation that is no differentiable function of the leaves.
    """
    reads = [place for term in objective.terms for place in term.term.layers]
    _require_gradient_at(net, reads, activations, leaves)


def _require_gradient_at(
    net: Net,
    reads: Sequence[LayerAddress],
    activations: Mapping[LayerAddress, Tensor],
    leaves: Sequence[Tensor],
) -> None:
    """Raise for places whose activation has no gradient with respect to the leaves."""
    cut = {place for place, act in activations.items() if not differentiable(act, leaves)}
    if cut:
        names = dict.fromkeys(str(place) for place in reads if place.layer_only in cut)
        raise no_gradient(net, names, [activations[place] for place in cut])


def check_reached(net: Net, places: Iterable[LayerAddress], image: Float[Tensor, "b *shape"]) -> None:
    """Raise for places that no gradient reaches, before any work is done; one forward pass.

    Args:
        net: any network.
        places: all that will be optimised.
        image: the network's input.

    Raises:
        UsageError: the activation of a place is no differentiable function of the image.
    """
    reads = list(places)
    with torch.inference_mode(False), torch.enable_grad(), frozen(net.module):
        leaf = image.detach().clone().requires_grad_()
        found = record_float32(net, leaf, list(dict.fromkeys(place.layer_only for place in reads)))
        _require_gradient_at(net, reads, found, [leaf])


def no_gradient(net: Net, names: Iterable[str], activations: Sequence[Tensor] = ()) -> UsageError:
    """Return the error for activations that no gradient reaches; it names the last layer that has one.

    Args:
        net: the network; layers are searched in it.
        names: the places, as text.
        activations: theirs; types that are not floating-point are mentioned.

    Returns:
        The error, to be raised by the caller.
    """
    shown = _join_names(list(names))
    kinds = {str(act.dtype).removeprefix("torch.") for act in activations if not act.is_floating_point()}
    kind = f" ({' and '.join(sorted(kinds))} values)" if kinds else ""
    with_one = _last_with_gradient(net)
    if with_one:
        hint = f"Choose a layer that has one; the last is {with_one}."
    else:
        hint = "Use the network without quantisation, detach(), no_grad() or argmax."
    return UsageError(
        "an activation with a gradient with respect to the image: something to ascend",
        received=f"{shown} of {net.name}{kind}, computed without a gradient from the image (quantised, "
        "detached, under no_grad, an argmax) or independent of it",
        hint=hint,
    )


def _last_with_gradient(net: Net) -> str:
    """The last layer, in the order of calls, whose activation has a gradient; empty if none has."""
    # It only completes the hint of an error; whatever the network throws here would hide that error.
    with suppress(Exception), torch.inference_mode(False), torch.enable_grad(), frozen(net.module):
        example = net.example()
        first = example if isinstance(example, Tensor) else example[0]
        leaf = first.detach().clone().requires_grad_()
        names = list(layer_shapes(net))
        found = _iter_activations(net, leaf, names)
        differentiable_layers = [name for name, act in found if differentiable(act, [leaf])]
        return differentiable_layers[-1] if differentiable_layers else ""
    return ""


def _iter_activations(net: Net, leaf: Tensor, names: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    """Record all layers that return one row for each image, one after another."""
    for name in names:
        with suppress(ConvscopeError):  # layers without one row for each image are passed over
            (activation,) = record_float32(net, leaf, [LayerAddress(name)]).values()
            yield name, activation


def require_finite(values: Tensor, names: Sequence[str], what: str, hint: str = "") -> None:
    """Raise for NaN and infinity in results.

    Args:
        values: one row for each name.
        names: what the rows are about.
        what: the field's word for the values: scores, gradients, activations.
        hint: the next step to suggest; about overflows if left out.

    Raises:
        ConvscopeError: a row holds NaN or infinity; the first rows are named.
    """
    good = values.detach().flatten(1).isfinite().all(1) if values.dim() > 1 else values.detach().isfinite()
    if bool(good.all()):
        return
    bad = [str(names[row]) for row in (~good).nonzero().flatten().tolist()]
    raise ConvscopeError(
        f"finite {what}",
        received=f"NaN or infinity for {_join_names(bad)}",
        hint=hint or "Look for an overflow: use float32 weights and precision, or a lower rate.",
    )


def _join_names(names: Sequence[str]) -> str:
    """Join the first names, and count the others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def goal_names(objective: Objective, count: int) -> list[str]:
    """Return a name for each image of a batch: the places that its objective reads.

    Args:
        objective: for the batch.
        count: batch size.

    Returns:
        `count` texts; `image 3` and the like where no place is read.
    """
    rows: list[dict[str, None]] = [{} for _ in range(count)]
    for term in objective.terms:
        for row in range(count) if term.rows is None else term.rows:
            rows[row].update(dict.fromkeys(map(str, term.term.layers)))
    return [" and ".join(row) or f"image {number}" for number, row in enumerate(rows)]


def gradient_left(
    net: Net, goals: Sequence[Objective], images: Float[Tensor, "n *shape"]
) -> Bool[Tensor, " n"]:
    """Return which images have a gradient other than 0 of their own objective, without transforms.

    Args:
        net: any network.
        goals: one objective for each image.
        images: in the spec's range.

    Returns:
        A boolean for each image, on the CPU. Regularizers of the image, if an objective has any, count too.
    """
    objective = per_image(goals).resolve(net)
    with torch.inference_mode(False), torch.enable_grad(), frozen(net.module):
        leaf = images.detach().to(net.device).clone().requires_grad_()
        scores = objective(record_float32(net, leaf, objective.places), leaf)
        if not scores.requires_grad:
            return torch.zeros(len(images), dtype=torch.bool)
        (gradient,) = torch.autograd.grad(scores.sum(), leaf, allow_unused=True, materialize_grads=True)
    return (gradient.flatten(1) != 0).any(1).cpu()
