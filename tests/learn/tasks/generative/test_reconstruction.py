"""Autoencoders: what is the target, where the noise comes from, and what they are compared with."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from convscope import learn, nets
from convscope.errors import UsageError
from convscope.graph.chain import chain
from convscope.graph.spec import TensorSpec
from convscope.learn import ImageRows, NumberTable, Reconstruction, ReconstructionRecipe, Trainer
from convscope.learn.tasks.generative.measures import PrincipalComponents
from convscope.nets import ExecutionConfig
from convscope.worlds.datasets import digits

TEXT = "conv 4 3x3 padding=1, relu, maxpool 2, convtranspose 1 2x2 stride=2, sigmoid"
EXACT = {"precision": "fp32", "memory_format": "contiguous", "batch": 50}


def small_net(text=TEXT, spec=None):
    spec = spec or TensorSpec((1, 28, 28))
    graph = chain("x".join(map(str, spec.shape)), text)
    return nets.wrap(nets.build(graph, seed=0), spec, name="small")


class Watched(Reconstruction):
    """Keep what the network is given in every step."""

    def noisy(self, clean, net, generator=None):
        made = super().noisy(clean, net, generator)
        self.seen.append((clean.clone(), made.clone()))
        return made


def test_the_target_is_clean_and_the_noise_is_new_in_every_step():
    net, task, data = small_net(), Watched(0.3), digits.train().take([5] * 100)
    task.seen = []
    recipe = ReconstructionRecipe(epochs=2, noise=0.3, **EXACT)
    list(Trainer(net, data, None, recipe, task=task))
    assert len(task.seen) == 4
    noises = [made - clean for clean, made in task.seen]
    for first in range(4):
        for second in range(first):
            assert (
                float(
                    torch.corrcoef(torch.stack([noises[first].flatten(), noises[second].flatten()]))[
                        0, 1
                    ].abs()
                )
                < 0.02
            )
    assert float(torch.cat(noises).std()) == pytest.approx(0.3, rel=0.01)
    batch = next(iter(learn.iter_batches(data, net, 50)))
    torch.manual_seed(3)
    loss = task.training_step(net, batch, ExecutionConfig(), 0).loss
    torch.manual_seed(3)
    given = batch.inputs[0] + 0.3 * torch.randn_like(batch.inputs[0])
    with torch.no_grad():
        expected = (net(given) - batch.inputs[0]).square().mean()
    assert loss.item() == pytest.approx(float(expected), rel=1e-6)


def test_errors_are_of_the_value_range():
    """A range twice as long: the same noise and the same ratio."""
    wide = TensorSpec((1, 28, 28), value_range=(-1.0, 1.0))
    task, images = Reconstruction(0.3), digits.test().images[:50].float() / 255
    net = small_net("conv 1 1x1", wide)
    noise = task.noisy(images * 2 - 1, net, torch.Generator().manual_seed(0)) - (images * 2 - 1)
    assert float(noise.std()) == pytest.approx(0.6, rel=0.02)
    batch = learn.iter_batches([images * 2 - 1], net)
    loss = Reconstruction().training_step(net, next(iter(batch)), ExecutionConfig(), 0).loss
    with torch.no_grad():
        assert loss.item() == pytest.approx(
            float(((net(images * 2 - 1) - images * 2 + 1) / 2).square().mean()), rel=1e-5
        )


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_it_resumes_bit_for_bit_with_its_noise(stop):
    data = digits.train().take(range(200))
    recipe = ReconstructionRecipe(epochs=2, noise=0.5, **EXACT)

    def trainer(state=None):
        return Trainer(small_net(), data, None, recipe, state=state)

    whole = trainer()
    list(whole)
    part, done = trainer(), 0
    part.pause()
    for event in part:
        part.pause()
        done += isinstance(event, learn.TrainProgress)
        if done == stop:
            break
    torch.manual_seed(99)  # nothing of the process outside decides
    rest = trainer(part.state())
    list(rest)
    for name, weight in whole.net.module.state_dict().items():
        assert torch.equal(weight, rest.net.module.state_dict()[name]), name
    assert [e.metrics for e in whole.history] == [e.metrics for e in rest.history]


@pytest.fixture(scope="module")
def denoised():
    net, data = small_net(), digits.test().take(range(60))
    task = Reconstruction(0.4)
    net = task.prepare(net, digits.train().take(range(100)), None)
    return net, data, task, task.evaluate(net, data, ExecutionConfig())


def test_noise_levels_are_compared_with_the_best_of_scipys_filters(denoised):
    net, data, task, tested = denoised
    clean = data.images.float() / 255

    def decibel(made):
        return -10 * math.log10(float((np.clip(made, 0, 1) - clean.numpy()).__pow__(2).mean()))

    levels = tested.evidence.levels
    assert [level.noise for level in levels] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    for level in levels:
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
        noisy = (clean + level.noise * noise).numpy()
        filtered = {
            side: decibel(ndimage.median_filter(noisy, (1, 1, side, side), mode="nearest")) for side in (3, 5)
        }
        assert level.noisy == pytest.approx(decibel(noisy), abs=1e-3)
        assert level.median == pytest.approx(max(filtered.values()), abs=1e-3)
        assert filtered[level.side] == max(filtered.values())
        with torch.no_grad():
            made = net(torch.from_numpy(noisy)).numpy()
        assert level.network == pytest.approx(decibel(made), abs=1e-3)
    assert task.evaluate(net, data, ExecutionConfig()).metrics == tested.metrics
    assert len(task.evaluate(net, data.take(range(9)), ExecutionConfig()).evidence.levels) == 4


def test_a_test_on_other_data_is_compared_with_their_own(denoised):
    _, data, task, tested = denoised
    other = task.evaluate(denoised[0], digits.test().take(range(60, 120)), ExecutionConfig())
    assert other.evidence.levels[0].noisy != tested.evidence.levels[0].noisy
    again = task.evaluate(denoised[0], data, ExecutionConfig())
    assert again.evidence == tested.evidence


def test_an_autoencoder_is_compared_with_as_many_components():
    net = small_net("flatten, dense 12, dense 784")
    task, train, data = Reconstruction(), digits.train().take(range(300)), digits.test().take(range(50))
    net = task.prepare(net, train, None)
    found = task.evaluate(net, data, ExecutionConfig())
    flat = (train.images.float() / 255).flatten(1).double().numpy()
    _, _, axes = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    tested = (data.images.float() / 255).flatten(1).double().numpy()
    made = flat.mean(0) + (tested - flat.mean(0)) @ axes[:12].T @ axes[:12]
    assert found.evidence.code == 12
    assert found.details["pca"] == pytest.approx(-10 * math.log10(((made - tested) ** 2).mean()), abs=1e-3)
    with torch.no_grad():
        error = (net(data.images.float() / 255).view(50, -1).double().numpy() - tested) ** 2
    assert found.metrics["loss"] == pytest.approx(error.mean(), rel=1e-5)
    assert found.metrics["psnr"] == pytest.approx(-10 * math.log10(error.mean()), abs=1e-4)


def test_components_are_computed_once_whatever_is_evaluated(monkeypatch):
    computed = []

    def counting(*words):
        computed.append(words)
        return PrincipalComponents(*words)

    monkeypatch.setattr("convscope.learn.tasks.generative.reconstruction.PrincipalComponents", counting)
    recipe = ReconstructionRecipe(
        epochs=3, patience=3, batch=40, precision="fp32", memory_format="contiguous"
    )
    data, test = digits.train().take(range(200)), digits.test().take(range(30))
    list(Trainer(small_net("flatten, dense 4, dense 784"), data, test, recipe))
    assert len(computed) == 1


def test_what_is_shown_is_what_was_compared(denoised):
    net, data, task, tested = denoised
    rows, table = task.findings(net, data, tested)
    assert isinstance(rows, ImageRows) and isinstance(table, NumberTable)
    assert len(rows.rows) == 8 and all(len(row) == len(rows.heads) == 4 for row in rows.rows)
    assert torch.equal(rows.rows[2][0], data.images[2].float() / 255)
    assert all(float(image.min()) >= 0 and float(image.max()) <= 1 for row in rows.rows for image in row)
    cells = [cells for _, cells in table.rows]
    assert cells[1][2] == f"{tested.evidence.levels[1].network:.2f} dB"
    assert task.findings(net, data, learn.EvalResult({"loss": 0.1, "psnr": 10})) == ()


@pytest.mark.parametrize("text", ["flatten, dense 10", "conv 2 3x3 padding=1"])
def test_networks_that_return_something_else_are_refused(text):
    with pytest.raises(UsageError, match="returns what it takes"):
        Reconstruction().prepare(small_net(text), digits.train(), None)


@pytest.mark.slow
def test_a_network_that_has_learned_beats_the_filters():
    """At the noise it was trained with, and at more of it, which it never saw."""
    recipe = ReconstructionRecipe(recipe="denoising-autoencoder", epochs=2, precision="fp32")
    setup = learn.setup_training(recipe)
    (*_, last) = Trainer(setup.net, setup.train, setup.test, recipe, task=setup.task)
    for level in last.tested.evidence.levels[1:]:
        assert level.network > level.median > level.noisy
