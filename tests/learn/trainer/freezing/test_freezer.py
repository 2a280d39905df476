"""Frozen means bit-identical, thawed means that it moves: against a slow loop, in any network."""

from copy import deepcopy
from typing import get_args

import pytest
import torch
from tests.learn.conftest import small_net
from tests.learn.test_extension_task import GAN, GenerativeAdversarial, Points, adversaries
from tests.learn.trainer.freezing.parts import (
    NORMED,
    check_moved,
    check_still,
    copied,
    inverse,
    masks,
    stepped,
)
from tests.reference.frozen_steps import SlowOptimizer
from torch import nn
from torch.nn import functional

from convscope import nets
from convscope.errors import PlaceError, TrainingError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn import ClassificationRecipe, Optimizer, TaskRecipe, Trainer
from convscope.learn.optimization.schedules import lr_factor
from convscope.learn.trainer.freezing.resolving import resolve
from convscope.learn.trainer.freezing.selection import Selection, difference, union
from convscope.worlds import ImageTensorDataset

EXACT = {"precision": "fp32", "memory_format": "contiguous", "device": "cpu"}
OPTIMIZERS = get_args(Optimizer)


FROZEN = ("conv1:1", "batchnorm1:1", "conv2:3,0", "batchnorm2", "dense1:7,5")


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("clip", [None, 0.5])
def test_it_is_the_slow_loop(train_images, name, clip):
    """A layer, units and links, frozen and thawed in the middle, as with the textbook's rules by element."""
    net, twin = small_net(text=NORMED), small_net(text=NORMED).module
    recipe = ClassificationRecipe(
        optimizer=name, epochs=2, batch=120, lr=0.01, weight_decay=0.3, clip=clip, **EXACT
    )
    trainer = Trainer(net, train_images, recipe=recipe)
    slow = SlowOptimizer(name, 0.0, 0.3)
    trainer.freeze(*FROZEN)
    batches = [batch for epoch in (0, 1) for batch in trainer.batch_source.batches(epoch, 0)]
    held = masks(net, *FROZEN)
    for number, batch in enumerate(batches):
        if number == 4:
            trainer.thaw("conv2:3,0", "batchnorm2")
            trainer.freeze("conv1:2", "batchnorm1")
            held = masks(net, "conv1:1", "conv1:2", "batchnorm1", "dense1:7,5")
        twin.load_state_dict(net.module.state_dict())  # of one step: rounding adds up to more
        stepped(trainer, 1)
        slow.lr = 0.01 * lr_factor(recipe, number, len(batches))
        slow_step(twin, batch, slow, held, clip, recipe.label_smoothing)
        for key, tensor in net.module.state_dict().items():
            wanted = twin.state_dict()[key]
            assert torch.equal(tensor[held[key]], wanted[held[key]]), key
            if key not in ("conv1.bias", "conv2.bias"):  # without effect before a batchnorm: noise is scaled
                assert torch.allclose(tensor, wanted, atol=2e-5), key
    assert [record.identical for record in trainer.freezer.records] == [True] * 7


def slow_step(twin, batch, slow, held, clip, smoothing):
    """One step by hand: statistics and gradients of frozen elements are put back and set to zero."""
    before = {name: tensor.clone() for name, tensor in twin.state_dict().items()}
    twin.train()
    hooks = []
    for name in ("batchnorm1", "batchnorm2"):
        mean, variance = before[f"{name}.running_mean"], before[f"{name}.running_var"]
        hook = by_channel(held[f"{name}.running_mean"], mean, variance)
        hooks.append(twin.get_submodule(name).register_forward_hook(hook))
    output = twin(*batch.inputs)
    loss = functional.cross_entropy(output, batch.targets, label_smoothing=smoothing)
    weights = dict(twin.named_parameters())
    gradients = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
    gradients = {n: torch.where(held[n], 0.0, g) for n, g in gradients.items()}
    if clip:
        length = torch.cat([g.flatten() for g in gradients.values()]).norm()
        gradients = {n: g * min(1.0, clip / (float(length) + 1e-6)) for n, g in gradients.items()}
    with torch.no_grad():
        for name, weight in weights.items():
            slow.step(name, weight, gradients[name], held[name])
        for name, tensor in twin.state_dict().items():
            if "running" in name or "batches" in name:
                tensor.copy_(torch.where(held[name], before[name], tensor))
    for hook in hooks:
        hook.remove()


def by_channel(frozen, mean, variance):
    """Channel by channel: the frozen ones by their running statistics, with the weights of now."""

    def hook(layer, inputs, output):
        normed = (inputs[0] - mean[:, None, None]) * (variance + layer.eps).rsqrt()[:, None, None]
        normed = normed * layer.weight[:, None, None] + layer.bias[:, None, None]
        return torch.stack([(normed if frozen[c] else output)[:, c] for c in range(len(frozen))], 1)

    return hook


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimizer_s_memory_of_it_does_not_move(train_images, name):
    net = small_net(text=NORMED)
    recipe = ClassificationRecipe(optimizer=name, epochs=3, batch=150, weight_decay=0.1, **EXACT)
    trainer = Trainer(net, train_images, recipe=recipe)
    stepped(trainer, 3)
    trainer.freeze("conv1", "conv2:3", "dense1:2,5")
    before, entries = copied(net), trainer.state().part("optimizer/main")
    stepped(trainer, 5)
    check_still(before, copied(net), masks(net, "conv1", "conv2:3", "dense1:2,5"))
    check_moved(before, copied(net), inverse(masks(net, "conv1", "conv2:3", "dense1:2,5")))
    held = {i: masks(net, "conv1", "conv2:3", "dense1:2,5")[n] for i, n in numbered(trainer)}
    now, compared = trainer.state().part("optimizer/main"), 0
    for key, value in entries.items():
        mask = held[int(key.partition("/")[0])]
        if value.shape == mask.shape:
            assert torch.equal(value[mask], now[key][mask]), key
            compared += int(mask.sum())
            assert bool(mask.all()) or not torch.equal(value[~mask], now[key][~mask])
        elif bool(mask.all()):
            assert torch.equal(value, now[key]), key  # the count of its steps
    assert compared > 0


def numbered(trainer):
    names = {id(p): n for n, p in trainer.net.module.named_parameters()}
    weights = [p for group in trainer.optimizers["main"].param_groups for p in group["params"]]
    return [(index, names[id(weight)]) for index, weight in enumerate(weights)]


def pictures(count=48, side=32):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, side, side), dtype=torch.uint8, generator=generator)
    labels = torch.arange(count) % 3
    spec = TensorSpec((3, side, side))
    return ImageTensorDataset(images, labels, ("a", "b", "c"), spec, "noise")


class Diamond(nn.Module):
    """One layer read by two branches that meet again, and a layer that runs twice."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6)
        self.left, self.right = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1, groups=2)
        self.again, self.drop, self.head = nn.Conv2d(6, 6, 3, padding=1), nn.Dropout(0.2), nn.Linear(6, 3)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        x = torch.relu(self.left(x)) + self.right(x)
        x = self.again(torch.relu(self.again(x)))
        return self.head(self.drop(x.mean((2, 3))))


def torchvision_net():
    from torchvision.models import resnet18

    return resnet18(num_classes=3)


def timm_net(name):
    timm = pytest.importorskip("timm")
    return timm.create_model(name, num_classes=3)


NETWORKS = {
    "diamond": (Diamond, ("stem", "norm", "left:3,2", "right:4,3", "again:1"), ("norm", "left:3,2")),
    "resnet18": (
        torchvision_net,
        ("conv1", "bn1", "layer1", "layer2.0.conv1:5", "layer2.0.bn1:5", "layer3.*.conv2:7,9", "fc:1"),
        ("layer1.1", "layer2.0.bn1:5"),
    ),
    "test_efficientnet": (
        lambda: timm_net("test_efficientnet"),
        ("conv_stem", "bn1", "blocks.0", "blocks.1.*.bn?:2", "blocks.2.0.conv_pwl:3,1", "conv_head"),
        ("blocks.0.0", "conv_head:0"),
    ),
    "test_vit": (
        lambda: timm_net("test_vit"),
        ("cls_token", "pos_embed", "patch_embed", "blocks.*.attn", "norm:3", "head.bias"),
        ("blocks.2", "pos_embed"),
    ),
}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_any_network(kind, optimizer):
    make, frozen, thawed = NETWORKS[kind]
    torch.manual_seed(0)
    data = pictures(side=160 if kind == "test_vit" else 32)
    net = nets.wrap(make(), data.spec, name=kind)
    recipe = ClassificationRecipe(
        optimizer=optimizer,
        epochs=4,
        batch=16,
        lr=0.02,
        weight_decay=0.1,
        clip=1.0,
        schedule="constant",
        **EXACT,
    )
    trainer = Trainer(net, data, recipe=recipe)
    stepped(trainer, 2)
    trainer.freeze(*frozen)
    before = copied(net)
    stepped(trainer, 3)
    middle = copied(net)
    check_still(before, middle, masks(net, *frozen))
    check_moved(before, middle, inverse(masks(net, *frozen)))
    trainer.thaw(*thawed)
    stepped(trainer, 3)
    after = copied(net)
    tensors = net.module.state_dict()
    kept = difference(
        union(resolve(net.module, t) for t in frozen), union(resolve(net.module, t) for t in thawed), tensors
    )
    check_still(middle, after, whole(kept, tensors))
    check_moved(middle, after, masks(net, *thawed))
    trainer.freezer.verify()
    assert all(record.identical for record in trainer.freezer.records)
    assert all(record.moved for record in trainer.freezer.records if record.ended)
    assert all(parameter.requires_grad for parameter in net.module.parameters())
    assert not any(part._forward_hooks for part in net.module.modules())


def whole(selection: Selection, tensors):
    found = {n: torch.zeros(t.shape, dtype=torch.bool) for n, t in tensors.items()}
    return found | {n: torch.ones_like(found[n]) if m is None else m for n, m in selection.items()}


def test_wholly_frozen_parameters_get_no_gradient_and_the_user_s_own_stay_frozen(train_images):
    net = small_net(text=NORMED)
    own = net.module.get_parameter("conv2.bias").requires_grad_(False)
    trainer = Trainer(net, train_images, recipe=ClassificationRecipe(epochs=2, batch=150, **EXACT))
    trainer.freeze("conv1", "conv2")
    seen = []
    net.module.get_submodule("conv1").register_forward_hook(
        lambda layer, _x, y: seen.append((y.requires_grad, layer.weight.requires_grad))
    )
    stepped(trainer, 2)
    assert seen == [(False, False)] * 2
    assert net.module.get_parameter("conv1.weight").grad is None
    trainer.thaw("conv1", "conv2")
    stepped(trainer, 1)
    assert seen[-1] == (True, True)
    assert not own.requires_grad
    assert net.module.get_parameter("conv1.weight").requires_grad
    trainer.freeze("conv2")
    with pytest.raises(UsageError, match="no optimizer has"):
        trainer.thaw("conv2.bias")


def test_a_frozen_normalisation_answers_as_in_evaluation_and_dropout_goes_on(train_images):
    net = small_net(text="conv 4 3x3, batchnorm, dropout 0.5, flatten, dense 10")
    trainer = Trainer(net, train_images, recipe=ClassificationRecipe(epochs=2, batch=150, **EXACT))
    stepped(trainer, 2)
    norm, drop, seen = net.module.get_submodule("batchnorm1"), net.module.get_submodule("dropout1"), []
    norm.register_forward_pre_hook(lambda _layer, x: seen.append(x[0].detach().clone()))
    drop.register_forward_hook(lambda _layer, x, y: seen.extend((x[0].detach().clone(), y.detach().clone())))

    def answer(*frozen):
        seen.clear()
        trainer.freeze(*frozen)
        fixed = deepcopy(norm).eval()
        fixed._forward_pre_hooks.clear()
        stepped(trainer, 1)
        inputs, output, dropped = seen
        assert 0.4 < float((dropped == 0).float().mean()) < 0.6
        return [
            torch.equal(one, other)
            for one, other in zip(fixed(inputs).unbind(1), output.unbind(1), strict=True)
        ]

    assert answer("conv1", "batchnorm1:2") == [False, False, True, False]
    assert answer("batchnorm1") == [True] * 4
    assert norm.training  # between two steps, as it was


def test_nothing_left_to_train(train_images):
    net = small_net(text=NORMED)
    trainer = Trainer(net, train_images, recipe=ClassificationRecipe(epochs=1, batch=150, **EXACT))
    trainer.freeze("*")
    with pytest.raises(UsageError, match="something left to train"):
        stepped(trainer, 1)
    assert all(parameter.requires_grad for parameter in net.module.parameters())
    trainer.thaw("dense1")
    before = copied(net)
    stepped(trainer, 2)
    check_still(before, copied(net), inverse(masks(net, "dense1")))
    check_moved(before, copied(net), masks(net, "dense1"))


def recipe_of(**settings):
    return ClassificationRecipe(**{"epochs": 3, "batch": 200, **EXACT, **settings})


def test_a_recipe_s_plan(train_images):
    net = small_net(text=NORMED)
    recipe = recipe_of(
        freeze=("*", "conv2 at epoch 3"), thaw=("dense1", "conv2 at epoch 2", "batchnorm? at epoch 2")
    )
    trainer = Trainer(net, train_images, recipe=recipe)
    assert trainer.freezer.frozen == ("* without dense1",)
    states = [copied(net)]
    for epoch in range(3):
        for _event in iter(trainer):
            if trainer.epoch == epoch + 1:
                break
        states.append(copied(net))
    free = [("dense1",), ("dense1", "conv2", "batchnorm?"), ("dense1", "batchnorm?")]
    for before, after, moving in zip(states, states[1:], free, strict=False):
        check_still(before, after, inverse(masks(net, *moving)))
        check_moved(before, after, masks(net, *moving))
    assert [(r.name, r.begun, r.ended) for r in trainer.freezer.records] == [
        ("*", (1, 0), (1, 0)),
        ("* without dense1", (1, 0), (2, 0)),
        ("* without dense1, conv2, batchnorm?", (2, 0), None),
        ("conv2", (3, 0), None),
    ]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"freeze": ("conv9",)}, "a layer or parameter"),
        ({"freeze": ("conv1:4",)}, "units 0 to 3"),
        ({"freeze": ("conv1",), "thaw": ("conv2 at epoch 2",)}, "something frozen before epoch 2"),
        ({"thaw": ("conv1",)}, "something frozen before epoch 1"),
        ({"freeze": ("*",)}, "something left to train"),
        ({"freeze": ("dense1", "conv*", "batch* at epoch 3")}, "from epoch 3 on"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_before_the_training(train_images, settings, words):
    with pytest.raises(UsageError, match=words):
        Trainer(small_net(text=NORMED), train_images, recipe=recipe_of(**settings))


def test_a_call_may_come_before_the_plan(train_images):
    trainer = Trainer(
        small_net(text=NORMED), train_images, recipe=recipe_of(freeze=("conv1",), thaw=("conv1 at epoch 2",))
    )
    stepped(trainer, 1)
    trainer.thaw("conv1")
    list(trainer)
    assert [(r.begun, r.ended, r.moved) for r in trainer.freezer.records] == [((1, 0), (1, 1), True)]


def test_calls_that_make_no_sense_change_nothing(train_images):
    trainer = Trainer(small_net(text=NORMED), train_images, recipe=recipe_of())
    trainer.freeze("conv1")
    records = trainer.freezer.records
    for call, error in (
        (lambda: trainer.freeze("conv2", "conv9"), PlaceError),
        (lambda: trainer.freeze(), UsageError),
        (lambda: trainer.thaw("conv1", "conv2"), UsageError),
        (lambda: trainer.freeze("conv1@3"), PlaceError),
    ):
        with pytest.raises(error):
            call()
        assert trainer.freezer.records == records
    trainer.freeze("conv1:2", "conv1")  # frozen already
    assert trainer.freezer.records == records


def test_what_else_writes_to_frozen_values_is_told(train_images):
    net = small_net(text=NORMED)
    trainer = Trainer(net, train_images, recipe=recipe_of(freeze=("conv1:2",)))
    stepped(trainer, 1)
    with torch.no_grad():
        net.module.get_parameter("conv1.bias")[1] = 0.5  # not frozen
    trainer.freezer.verify()
    with torch.no_grad():
        net.module.get_parameter("conv1.bias")[2] += 1e-7
    for check in (
        trainer.freezer.verify,
        trainer.state,
        lambda: trainer.thaw("conv1:2"),
        lambda: list(trainer),
    ):
        with pytest.raises(TrainingError, match="frozen values that do not move: those of conv1:2"):
            check()


def test_the_digest_is_that_of_the_bytes(train_images):
    from hashlib import sha256

    net = small_net(text=NORMED)
    trainer = Trainer(net, train_images, recipe=recipe_of(freeze=("conv1:2",), memory_format="channels_last"))
    weight, bias = (net.module.get_parameter(f"conv1.{name}")[2] for name in ("weight", "bias"))
    expected = sha256(b"conv1.bias torch.float32 1\n" + bias.detach().numpy().tobytes())
    expected.update(b"conv1.weight torch.float32 9\n" + weight.detach().contiguous().numpy().tobytes())
    (record,) = trainer.freezer.records
    assert (record.sha256, record.values) == (expected.hexdigest(), 10)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_one_of_several_optimizers_may_be_frozen_as_a_whole(precision):
    net = adversaries()
    recipe = TaskRecipe(optimizer="adam", **GAN | {"precision": precision, "epochs": 4})
    trainer = Trainer(net, Points(), recipe=recipe, task=GenerativeAdversarial())
    trainer.freeze("discriminator")
    before = copied(net)
    stepped(trainer, 3)
    check_still(before, copied(net), masks(net, "discriminator"))
    check_moved(before, copied(net), masks(net, "generator"))
    trainer.thaw("discriminator")
    trainer.freeze("generator.0:1")
    before = copied(net)
    stepped(trainer, 3)
    check_still(before, copied(net), masks(net, "generator.0:1"))
    check_moved(before, copied(net), inverse(masks(net, "generator.0:1")))


def test_an_average_of_weights_keeps_them_bit_for_bit(train_images):
    """An average of equal numbers may be another number in its last bit."""
    net = small_net(text=NORMED)
    trainer = Trainer(net, train_images, recipe=recipe_of(freeze=("conv1", "conv2:3", "batchnorm1")))
    average, plain = deepcopy(net.module), deepcopy(net.module)
    before = {n: t.clone() for n, t in average.state_dict().items()}
    for _ in range(3):
        stepped(trainer, 1)
        for module in (average, plain):
            averages = zip(module.state_dict().values(), net.module.state_dict().values(), strict=True)
            for mean, now in averages:
                if mean.is_floating_point():
                    mean.mul_(0.997).add_(now, alpha=0.003)
        trainer.freezer.copy_to(average)
    held = masks(net, "conv1", "conv2:3", "batchnorm1")
    check_still(before, average.state_dict(), held)
    check_moved(before, average.state_dict(), inverse(held))
    assert not torch.equal(before["conv1.weight"], plain.state_dict()["conv1.weight"])
