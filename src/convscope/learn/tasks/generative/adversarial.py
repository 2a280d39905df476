"""Training of generative adversarial networks: two losses in turn, each with an optimizer of its own."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional
from typing_extensions import override

from convscope.errors import UsageError
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.task import StepOutput, Task
from convscope.nets import Net
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.modules.generative.gan import AdversarialPair
from convscope.worlds import Batch

DISCRIMINATOR, GENERATOR = "discriminator", "generator"
"""Names of the two optimizers, of the two parts of the module and of the two losses."""
CHANCE = math.log(4)
"""Loss of a discriminator that cannot tell samples from data, in nats."""
LOSSES = (MetricSpec(DISCRIMINATOR, "D loss", ".3f"), MetricSpec(GENERATOR, "G loss", ".3f"))


class AdversarialTraining(Task):
    """Train a generator against a discriminator, with the non-saturating loss.

    The discriminator minimises `-log D(x) - log(1 - D(G(z)))` and takes a step; then the generator minimises
    `-log D(G(z))` for the same codes, where the minimax game would have it minimise `log(1 - D(G(z)))`, whose
    gradient vanishes while the discriminator wins. Subclasses measure what is generated: the two losses say
    nothing about that.

    Args:
        r1: weight of the penalty `r1 / 2 |grad D(x)|^2` on data; 0 for none.

    Source: Goodfellow et al. 2014, Generative Adversarial Nets, arXiv:1406.2661, section 3; Mescheder, Geiger
        and Nowozin 2018, Which Training Methods for GANs do actually Converge?, arXiv:1801.04406, for the
        penalty.
    """

    metric_sums = 2
    metric_specs = LOSSES
    primary_metric = GENERATOR

    def __init__(self, r1: float = 0.0) -> None:
        self.r1 = r1

    @override
    @classmethod
    def from_recipe(cls, recipe: Any) -> Self:
        return cls(recipe.r1)

    @override
    def settings(self) -> Mapping[str, Any]:
        return {"r1": self.r1}

    @override
    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Check that the network is a generative adversarial one.

        Args:
            net: network to train.
            data: not used.
            recipe: not used.

        Returns:
            The same network.

        Raises:
            UsageError: it is another network.
        """
        adversarial_pair(net)
        return net

    @override
    def optimizers(self, net: Net, recipe: Any) -> Mapping[str, Sequence[nn.Parameter]]:
        pair = adversarial_pair(net)
        parts = {DISCRIMINATOR: pair.discriminator, GENERATOR: pair.generator}
        found = {name: [p for p in part.parameters() if p.requires_grad] for name, part in parts.items()}
        return {name: parameters for name, parameters in found.items() if parameters}

    @override
    def training_step(
        self, net: Net, batch: Batch, execution: ExecutionConfig, step: int
    ) -> Iterator[StepOutput]:
        """Compute the loss of the discriminator and then, after its step, that of the generator.

        Args:
            net: network to train.
            batch: samples in the spec's range; targets are not read.
            execution: precision and memory format of the forward passes.
            step: step of the training, from 0; not used.

        Yields:
            The two losses, means in nats, each with its sum over the batch.
        """
        pair = adversarial_pair(net)
        (data,) = (execution.to_memory_format(x) for x in net.normalise(batch.inputs[0]))
        codes = pair.codes(batch.size)
        with execution.autocast(batch.device), torch.no_grad():
            generated = pair.generate(codes)
        data.requires_grad_(self.r1 > 0)
        with execution.autocast(batch.device):
            real, fake = pair(data).float(), pair(generated.to(data)).float()
        loss = discriminator_loss(real, fake)
        yield _output(loss + self._penalty(real, data), loss, batch.size, DISCRIMINATOR)
        with execution.autocast(batch.device):
            fake = pair(pair.generate(codes)).float()
        loss = generator_loss(fake)
        yield _output(loss, loss, batch.size, GENERATOR)

    def _penalty(self, logits: Tensor, data: Tensor) -> Tensor:
        """Return the penalty on the discriminator's gradient with respect to data; 0 without a weight."""
        if not self.r1 or not torch.is_grad_enabled():
            return logits.new_zeros(())
        (gradient,) = torch.autograd.grad(logits.sum(), data, create_graph=True)
        return self.r1 / 2 * gradient.float().square().flatten(1).sum(1).mean()


def discriminator_loss(real: Float[Tensor, "b 1"], fake: Float[Tensor, "b 1"]) -> Tensor:
    """Compute the loss of a discriminator.

    Args:
        real: its logits of data.
        fake: its logits of generated samples.

    Returns:
        `-log D(x) - log(1 - D(G(z)))`, each averaged, in nats; `CHANCE` where all logits are 0.
    """
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def generator_loss(fake: Float[Tensor, "b 1"]) -> Tensor:
    """Compute the non-saturating loss of a generator.

    Args:
        fake: the discriminator's logits of generated samples.

    Returns:
        `-log D(G(z))`, averaged, in nats.
    """
    return functional.softplus(-fake).mean()


def adversarial_pair(net: Net) -> AdversarialPair:
    """Return the module of a generative adversarial network.

    Args:
        net: the network.

    Returns:
        Its module.

    Raises:
        UsageError: it is another network.
    """
    if not isinstance(net.module, AdversarialPair):
        raise UsageError(
            "a generative adversarial network", received=net.name, hint="convscope train --recipe gan"
        )
    return net.module


def generate(net: Net, codes: Float[Tensor, "n z"]) -> Float[Tensor, "n ..."]:
    """Generate samples in the value range of the network's input.

    Args:
        net: the network.
        codes: codes `[n z]`.

    Returns:
        Samples in the spec's value range, which values outside of it are clipped to.
    """
    spec, made = net.input_spec, adversarial_pair(net).generate(codes)
    axes = (-1, *[1] * (made.dim() - 2))
    std, mean = (torch.tensor(values).to(made).view(axes) for values in (spec.std, spec.mean))
    return (made * std + mean).clamp(*spec.value_range)


def held_out_losses(net: Net, data: Sequence[Tensor], generator: Generator) -> dict[str, float]:
    """Compute both losses on data that was not learned from, with new codes.

    Args:
        net: the network, in evaluation mode.
        data: batches of samples in the spec's range.
        generator: draws the codes, on the CPU.

    Returns:
        The losses by name, in nats.
    """
    pair, count = adversarial_pair(net), sum(map(len, data))
    fake = pair(pair.generate(pair.codes(count, generator)))
    real = torch.cat([net(batch) for batch in data])
    return {
        DISCRIMINATOR: float(discriminator_loss(real, fake)),
        GENERATOR: float(generator_loss(fake)),
    }


def _output(loss: Tensor, shown: Tensor, size: int, optimizer: str) -> StepOutput:
    """Return the loss of one optimizer, with its own sum."""
    own = shown.detach() * size
    zero = torch.zeros_like(own)
    sums = torch.stack((own, zero) if optimizer == DISCRIMINATOR else (zero, own))
    return StepOutput(loss, sums, optimizer=optimizer)
