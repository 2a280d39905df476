"""Variational autoencoders: the terms against torch.distributions, the bounds against an integral."""

import json
import math

import pytest
import torch
from torch import distributions
from torch.nn import functional

from convscope import learn, nets
from convscope.errors import DataError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn import ImageRows, NumberTable, Trainer, VAERecipe, VariationalAutoencoder
from convscope.learn.tasks.generative.binary import code_length
from convscope.learn.tasks.generative.vae import COLUMNS, bounds, divergence, walk
from convscope.nets import ExecutionConfig
from convscope.nets.modules.generative.vae import VAE
from convscope.worlds import Batch
from convscope.worlds.datasets import digits

EXACT = {"precision": "fp32", "memory_format": "contiguous", "batch": 50}


def small_net(latent: int = 3, hidden: int = 16, spec=None):
    torch.manual_seed(0)
    spec = spec or TensorSpec((1, 28, 28))
    return nets.wrap(VAE(spec.shape, hidden, latent), spec, name="small")


def test_the_divergence_is_that_of_torch_distributions():
    mean, log_variance = torch.randn(50, 7).double() * 2, torch.randn(50, 7).double() * 2
    one = distributions.Normal(mean, (log_variance / 2).exp())
    expected = distributions.kl_divergence(one, distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(divergence(mean, log_variance), expected)
    assert float(divergence(torch.zeros(1, 1), torch.zeros(1, 1))) == 0


def test_the_code_length_is_summed_over_pixels():
    logits, binary = torch.randn(5, 1, 4, 3), torch.randint(2, (5, 1, 4, 3)).float()
    expected = -distributions.Bernoulli(logits=logits).log_prob(binary).flatten(1).sum(1)
    torch.testing.assert_close(code_length(logits, binary), expected)


def test_the_loss_is_the_bound_of_binary_images():
    """Not of grey ones, whose cross-entropy is no likelihood; and all terms are sums, never means."""
    net, task = small_net(), VariationalAutoencoder()
    grey = digits.test().images[:40].float() / 255
    torch.manual_seed(5)
    out = task.training_step(net, Batch((grey,)), ExecutionConfig(), 0)
    torch.manual_seed(5)
    binary = torch.bernoulli(grey)
    mean, log_variance = net.module.encode(binary)
    posterior = distributions.Normal(mean, (log_variance / 2).exp())
    code = mean + posterior.scale * torch.randn_like(mean)
    apart = distributions.kl_divergence(posterior, distributions.Normal(0.0, 1.0)).sum()
    length = -distributions.Bernoulli(logits=net.module.decode(code)).log_prob(binary).sum()
    torch.testing.assert_close(out.loss, (length + apart) / 40)
    torch.testing.assert_close(out.sums, torch.stack([length + apart, length, apart]).detach())
    assert out.loss.item() > 500  # nats of an image, for a network that knows nothing: 784 log 2 = 543


def likelihood(module: VAE, binary: torch.Tensor) -> torch.Tensor:
    """log p(x) of a code of one dimension, by the trapezoidal rule over it."""
    codes = torch.linspace(-8, 8, 4001).double()
    logits = module.decode(codes[:, None])
    lengths = torch.stack([code_length_double(logits, x) for x in binary])
    log_joint = -lengths - codes.square() / 2 - math.log(2 * math.pi) / 2
    return torch.logsumexp(log_joint, 1) + math.log(float(codes[1] - codes[0]))


def code_length_double(logits, x):
    losses = functional.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
    return losses.flatten(1).sum(1)


def test_both_bounds_lie_below_the_likelihood_and_the_weighted_one_is_nearer():
    module = small_net(latent=1, spec=TensorSpec((1, 6, 6))).module.double()
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(2)
        binary = torch.bernoulli(torch.full((12, 1, 6, 6), 0.4), generator=torch.Generator().manual_seed(1))
        binary = binary.double()
        exact = likelihood(module, binary)
        elbo, weighted = bounds(module, binary, 2000, torch.Generator().manual_seed(0))
        _, few = bounds(module, binary, 2, torch.Generator().manual_seed(0))
    assert (elbo < exact - 0.01).all()
    torch.testing.assert_close(weighted, exact, atol=0.3, rtol=0)
    assert elbo.mean() < few.mean() < exact.mean() + 0.05
    assert torch.equal(elbo, bounds(module, binary, 2000, torch.Generator().manual_seed(0))[0].detach())


def test_the_evaluation_is_alike_each_time_and_of_every_image():
    net, task, data = small_net(), VariationalAutoencoder(), digits.test().take(range(60))
    first, second = (task.evaluate(net, data, ExecutionConfig()) for _ in range(2))
    assert first.metrics == second.metrics and first.details == second.details
    assert first.metrics["loss"] == pytest.approx(
        first.metrics["reconstruction"] + first.metrics["divergence"]
    )
    found = first.evidence
    assert found.bounded == 60 and found.weighted <= found.elbo
    assert found.elbo == pytest.approx(first.metrics["loss"], rel=0.01)


def test_a_collapsed_dimension_is_not_counted():
    net, task, data = small_net(), VariationalAutoencoder(), digits.test().take(range(60))
    with torch.no_grad():
        for head in (net.module.mean, net.module.log_variance):
            head.weight[1:] = 0
            head.bias[1:] = 0
    assert task.evaluate(net, data, ExecutionConfig()).evidence.active == 1


def test_walks_begin_and_end_at_the_codes_of_images():
    codes = torch.randn(8, 5)
    made = walk(codes).unflatten(0, (4, COLUMNS))
    torch.testing.assert_close(made[:, 0], codes[::2])
    torch.testing.assert_close(made[:, -1], codes[1::2])
    steps = made.diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), atol=1e-6, rtol=1e-4)


def test_the_report_gets_samples_walks_copies_and_bounds():
    net, task, data = small_net(), VariationalAutoencoder(), digits.test().take(range(20))
    tested = task.evaluate(net, data, ExecutionConfig())
    *rows, table = task.findings(net, data, tested)
    assert all(isinstance(each, ImageRows) for each in rows) and isinstance(table, NumberTable)
    assert [len(each.rows) for each in rows] == [4, 4, 8]
    assert all(len(row) == len(each.heads) for each in rows for row in each.rows)
    assert table.rows[0][1] == (f"{tested.metrics['loss']:.2f}",)
    assert task.findings(net, data, learn.EvalResult({"loss": 1.0})) == ()


def test_a_tested_pair_too_few_is_walked_between_what_there_is():
    net, task, data = small_net(), VariationalAutoencoder(), digits.test().take(range(3))
    tested = task.evaluate(net, data, ExecutionConfig())
    assert len(task.findings(net, data, tested)[1].rows) == 1


def test_it_resumes_bit_for_bit():
    data, recipe = digits.train().take(range(150)), VAERecipe(epochs=2, **EXACT)
    whole = Trainer(small_net(), data, None, recipe)
    list(whole)
    part = Trainer(small_net(), data, None, recipe)
    for _ in part:
        break
    part = Trainer(small_net(), data, None, recipe)
    events = iter(part)
    part.pause()
    next(events)
    torch.manual_seed(9)
    rest = Trainer(small_net(), data, None, recipe, state=part.state())
    list(rest)
    for name, weight in whole.net.module.state_dict().items():
        assert torch.equal(weight, rest.net.module.state_dict()[name]), name


def test_the_range_of_the_spec_is_mapped_to_probabilities():
    task, grey = VariationalAutoencoder(), digits.test().images[:10].float() / 255
    wide = small_net(spec=TensorSpec((1, 28, 28), value_range=(-1.0, 1.0)))
    losses = []
    for net, images in ((small_net(), grey), (wide, grey * 2 - 1)):
        torch.manual_seed(0)
        losses.append(task.training_step(net, Batch((images,)), ExecutionConfig(), 0).loss.item())
    assert losses[0] == pytest.approx(losses[1])


def test_other_networks_are_refused():
    with pytest.raises(UsageError, match="variational"):
        VariationalAutoencoder().prepare(nets.load("lecture"), digits.train(), None)


def test_it_is_saved_and_opened_with_its_sizes(tmp_path):
    net = small_net(latent=4, hidden=9)
    nets.save(net, tmp_path / "saved")
    again = nets.load(str(tmp_path / "saved"))
    x = torch.rand(2, 1, 28, 28)
    assert torch.equal(again(x), net.module.eval()(x))
    assert again.module.options == {"shape": [1, 28, 28], "hidden": 9, "latent": 4}
    path = tmp_path / "saved" / "model.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["inputs"][0]["shape"] = [3, 28, 28]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DataError, match="inputs of"):
        nets.open_folder(tmp_path / "saved")


@pytest.mark.parametrize("options", [(0, 4), (9, 0), (-9, 4), (2**30, 4)])
def test_impossible_sizes_are_refused(options):
    with pytest.raises(ValueError, match="whole numbers"):
        VAE((1, 28, 28), *options)


def test_the_packaged_network_has_the_usual_sizes():
    module = nets.load("vae").module
    assert sum(p.numel() for p in module.parameters()) == 652_824
    assert 652_824 == 784 * 400 + 400 + 2 * (400 * 20 + 20) + 20 * 400 + 400 + 400 * 784 + 784
