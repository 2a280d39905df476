"""Teaching networks to paint: what a step moves, that it goes on exactly, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d

from convscope import nets
from convscope.errors import DataError, MissingError, UsageError
from convscope.learn import ClassificationRecipe, Epoch, Trainer
from convscope.learn.style import perceptual, setup
from convscope.learn.style.crops import RandomCrops
from convscope.learn.style.perceptual import BLURS, PerceptualLoss, Tap, frozen_copy, palette
from convscope.learn.style.style_tasks import StyleBankTask, StyleLossWeights, StyleTransferTask
from convscope.learn.trainer.state import State
from convscope.nets import record
from convscope.nets.inference.execution import PLAIN, ExecutionConfig
from convscope.nets.style.adain import statistics
from convscope.nets.style.bank import StyleBank, StyleBankConfig
from convscope.nets.style.palette import colour_statistics, to_numbers
from convscope.worlds import Batch, UnlabelledImages
from convscope.worlds.images.datasets.style_images import painting

pytestmark = pytest.mark.slow

SCALES = StyleLossWeights(style=10.0, alternation=2, warmup_steps=0, side=64)
SETTINGS = {
    "batch": 2,
    "precision": "fp32",
    "memory_format": "contiguous",
    "optimizer": "adam",
    "weight_decay": 0.0,
}
LAYERS = ("relu1_1", "relu2_1")


def write(path: Path, seed: int, size: tuple[int, int] = (80, 96), period: float = 9.0) -> Path:
    """Waves of colour, every picture its own."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    angle = torch.rand(3, generator=generator) * 6.28
    waves = [
        torch.sin(rows * torch.sin(a) / period + columns * torch.cos(a) / period * (1 + i))
        for i, a in enumerate(angle)
    ]
    noise = torch.rand(*size, 3, generator=generator)
    pixels = (torch.stack(waves, -1) * 0.4 + 0.5 + 0.1 * (noise - 0.5)).clamp(0, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels * 255).to(torch.uint8).numpy()).save(path)
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("school")
    for index in range(8):
        write(root / "photographs" / f"{index}.png", index)
    for index, name in enumerate(("wave", "scream", "hat")):
        write(root / f"{name}.png", 50 + index, (120, 100), period=3.0)
    return root


@pytest.fixture(scope="session")
def photographs(folder) -> UnlabelledImages:
    return UnlabelledImages(folder / "photographs")


@pytest.fixture(scope="session")
def judge(folder) -> PerceptualLoss:
    images = [painting(folder / f"{name}.png", 96) for name in ("wave", "scream")]
    return PerceptualLoss(frozen_copy(nets.load("hed-vgg16")), images, ("relu2_1",), LAYERS)


def painter(styles=("wave", "scream"), seed=0):
    torch.manual_seed(seed)
    return nets.wrap(
        StyleBank(StyleBankConfig(styles, width=4, before=0, after=1)), setup.SPEC, name="painter"
    )


def copied(net):
    return {name: tensor.clone() for name, tensor in net.module.state_dict().items()}


def moved(net, before):
    """The parts of which a weight has changed: encoder, decoder, banks.wave, ..."""
    now = net.module.state_dict()
    changed = {name for name in before if not torch.equal(before[name], now[name])}
    return {".".join(name.split(".")[: 2 if name.startswith("banks") else 1]) for name in changed}


def test_what_each_step_moves(judge, photographs):
    """T steps of painting move the batch's bank too; the T+1st moves encoder and decoder only."""
    net = painter()
    loop = Trainer(
        net,
        photographs,
        recipe=ClassificationRecipe(epochs=2, **SETTINGS | {"batch": 1}),
        task=StyleBankTask(judge, SCALES),
    )
    loop.pause()
    seen, before = [], copied(net)
    for _event in loop:
        loop.pause()
        seen.append(moved(net, before))
        before = copied(net)
        if len(seen) == 6:
            break
    both = {"encoder", "decoder"}
    assert seen == [
        {*both, "banks.wave"},
        {*both, "banks.scream"},
        both,
        {*both, "banks.scream"},
        {*both, "banks.wave"},
        both,
    ]


def test_steps_of_frozen_weights_alone_are_left_out(judge, photographs):
    """A reconstruction step would move encoder and decoder only: both are frozen, and thawed later."""
    net = painter()
    recipe = ClassificationRecipe(epochs=2, **SETTINGS)
    task = StyleBankTask(judge, StyleLossWeights(side=64, warmup_steps=2, alternation=2))
    loop = Trainer(net, photographs, recipe=recipe, task=task)
    loop.freeze("encoder", "decoder")
    loop.pause()
    seen, before = [], copied(net)
    for _event in loop:
        loop.pause()
        seen.append({part.partition(".")[0] for part in moved(net, before)})
        before = copied(net)
        if len(seen) == 3:
            loop.thaw("decoder")
        if len(seen) == 6:
            break
    assert seen[:2] == [set(), set()]
    assert set().union(*seen[:3]) <= {"banks"}
    assert set().union(*seen[3:]) == {"banks", "decoder"}


def test_the_prelude_moves_no_bank(judge, photographs):
    net = painter()
    before = copied(net)
    recipe = ClassificationRecipe(epochs=1, **SETTINGS)
    list(
        Trainer(
            net,
            photographs,
            recipe=recipe,
            task=StyleBankTask(judge, StyleLossWeights(side=64, warmup_steps=4)),
        )
    )
    assert moved(net, before) == {"encoder", "decoder"}


def test_a_new_style_moves_its_own_bank_only(folder):
    styles = {"hat": str(folder / "hat.png")}
    judging = perceptual.PerceptualConfig(content=("relu2_1",), style=LAYERS, paintings=96)
    training = setup.setup_added_style(
        painter(), folder / "photographs", styles, scales=SCALES, judging=judging
    )
    before = copied(training.net)
    list(
        Trainer(
            training.net,
            training.train,
            recipe=ClassificationRecipe(epochs=2, **SETTINGS),
            task=training.task,
        )
    )
    assert moved(training.net, before) == {"banks.hat"}


def test_a_bank_keeps_the_palette_of_its_painting(folder):
    files = {name: str(folder / f"{name}.png") for name in ("wave", "scream", "hat")}
    judging = perceptual.PerceptualConfig(content=("relu2_1",), style=LAYERS, paintings=96)
    wanted = {name: to_numbers(colour_statistics(painting(file, 96)[0])) for name, file in files.items()}
    hat = {"hat": files.pop("hat")}
    made = setup.setup_style_training(
        "stylebank", folder / "photographs", files, scales=SCALES, judging=judging, width=4
    )
    assert made.net.module.form.palettes == {name: wanted[name] for name in files}
    more = setup.setup_added_style(made.net, folder / "photographs", hat, scales=SCALES, judging=judging)
    assert more.net.module.form.palettes == wanted


def test_it_learns(judge, photographs):
    net, task = painter(), StyleBankTask(judge, SCALES)
    before = task.evaluate(net, photographs, ExecutionConfig()).metrics
    recipe = ClassificationRecipe(epochs=8, lr=0.01, clip=0.05, **SETTINGS)
    epochs = [e for e in Trainer(net, photographs, photographs, recipe, task=task) if isinstance(e, Epoch)]
    after = epochs[-1].test_metrics
    assert after["style"] < 0.8 * before["style"]
    assert after["psnr"] > before["psnr"] + 1
    assert "accuracy" not in epochs[-1].metrics
    assert "furthest from its painting" in epochs[-1].worst


def test_johnsons_network_learns(judge, photographs, folder):
    judging = perceptual.PerceptualConfig(content=("relu2_1",), style=LAYERS, paintings=96)
    training = setup.setup_style_training(
        "johnson",
        folder / "photographs",
        {"wave": str(folder / "wave.png")},
        scales=SCALES,
        judging=judging,
        width=4,
    )
    recipe = ClassificationRecipe(epochs=6, lr=0.01, **SETTINGS)
    epochs = [
        e
        for e in Trainer(training.net, training.train, recipe=recipe, task=training.task)
        if isinstance(e, Epoch)
    ]
    assert epochs[-1].metrics["style"] < 0.8 * epochs[0].metrics["style"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_goes_on_bit_for_bit(judge, photographs, tmp_path, precision):
    recipe = ClassificationRecipe(
        epochs=3, clip=0.05, **SETTINGS | {"precision": precision, "memory_format": "channels_last"}
    )
    straight = painter()
    whole = Trainer(straight, photographs, recipe=recipe, task=StyleBankTask(judge, SCALES))
    list(whole)
    loop = Trainer(painter(), photographs, recipe=recipe, task=StyleBankTask(judge, SCALES))
    loop.pause()
    for _event in loop:
        if (loop.epoch, loop.step) == (1, 2):
            break
        loop.pause()
    loop.state().write(tmp_path)
    net = painter(seed=9)
    again = Trainer(
        net, photographs, recipe=recipe, task=StyleBankTask(judge, SCALES), state=State.read(tmp_path)
    )
    list(again)
    assert moved(net, copied(straight)) == set()
    assert again.history[-1].metrics == whole.history[-1].metrics


def test_distances_are_shares(judge, folder):
    """A painting has its own style and content to the last; another painting has not."""
    image = painting(folder / "wave.png", 96)
    styles = torch.tensor([0])
    own = judge.judge(image, image, styles)
    assert float(own.style) < 1e-5
    assert float(own.content) == 0
    other = judge.judge(image, image, torch.tensor([1]))
    assert 0.05 < float(other.style) < 1.5


def test_a_reduced_layer_is_compared_on_means_of_blocks(folder):
    """`relu2_1/2` is relu2_1 of a picture whose blocks of 2x2 pixels were averaged by hand."""
    image = painting(folder / "wave.png", 96)[..., :80, :64]
    judge = PerceptualLoss(
        frozen_copy(nets.load("hed-vgg16")), [image], ("relu1_1/4",), ("relu2_1/2", "relu2_1")
    )
    halved = image.unflatten(-1, (32, 2)).unflatten(-3, (40, 2)).mean((-1, -3))
    wanted = next(iter(nets.record(judge.net, halved, ["relu2_1"]).values()))
    seen = judge.features(image)
    assert [maps.shape[-2:] for maps in seen.values()] == [(40, 32), (20, 16), (20, 16)]
    assert torch.allclose(seen[Tap("relu2_1", 2)], wanted, atol=1e-4)


@pytest.mark.parametrize("word", ["relu2_1/0", "relu2_1/17"])
def test_a_reduction_that_cannot_be(word):
    with pytest.raises(UsageError, match="reduction"):
        Tap.of(word)


def test_a_palette_is_how_the_mean_colours_of_blocks_vary_together(folder):
    """As numpy's covariance of colours averaged by hand says it; the same is 0, one colour is 1."""
    image = painting(folder / "wave.png", 96)[..., :80, :64]
    seen = palette(image)[0]
    for side, found in zip(BLURS, seen, strict=True):
        blocks = image[0].numpy().reshape(3, 80 // side, side, 64 // side, side).mean((2, 4))
        assert found.numpy() == pytest.approx(np.cov(blocks.reshape(3, -1), bias=True), abs=1e-6)
    judge = PerceptualLoss(frozen_copy(nets.load("hed-vgg16")), [image], ("relu2_1",), LAYERS)
    own = torch.zeros(1, dtype=torch.long)
    assert judge.palette_of(image, own).item() == pytest.approx(0, abs=1e-9)
    assert judge.palette_of(torch.full_like(image, 0.3), own).item() == pytest.approx(1, abs=1e-5)


def test_a_palette_counts_as_much_as_it_is_said_to(folder, photographs, judge):
    images, styles = photographs.middles(range(2), 64).float() / 255, torch.tensor([0, 1])
    net, batch = painter(), Batch((images,), styles)
    execution = ExecutionConfig("fp32", "contiguous")
    plain = StyleTransferTask.priced(StyleBankTask(judge, SCALES), net, batch, execution).loss
    more = StyleBankTask(judge, replace(SCALES, palette=3.0)).priced(net, batch, execution).loss
    with torch.no_grad():
        painted = StyleBankTask(judge, SCALES).paint(net, images, styles)
    assert (more - plain).item() == pytest.approx(
        3 * judge.palette_of(painted, styles).mean().item(), rel=1e-4
    )


def test_squares_follow_from_seed_epoch_and_step(photographs):
    def crops(seed=0):
        return RandomCrops(photographs, 3, batch=3, side=32, seed=seed, device=torch.device("cpu"))

    whole = list(crops().batches(1, 0))
    rest = list(crops().batches(1, 1))
    assert len(whole) == crops().steps == 2
    assert torch.equal(whole[1].inputs[0], rest[0].inputs[0])
    assert torch.equal(whole[1].targets, rest[0].targets)
    assert not torch.equal(whole[0].inputs[0], next(iter(crops(1).batches(1, 0))).inputs[0])
    assert torch.cat([batch.targets for batch in whole]).bincount(minlength=3).tolist() == [2, 2, 2]


def test_a_judge_that_has_learned_nothing_is_refused(folder, tmp_path):
    net = nets.load("hed-vgg16", weights=None, seed=0)
    nets.save(net, tmp_path / "fresh")
    judging = perceptual.PerceptualConfig(str(tmp_path / "fresh"), ("relu2_1",), LAYERS, paintings=96)
    styles = {"wave": str(folder / "wave.png")}
    with pytest.raises(MissingError, match="--untrained"):
        perceptual.perceptual_loss(judging, styles)
    assert perceptual.perceptual_loss(
        perceptual.PerceptualConfig(judging.network, ("relu2_1",), LAYERS, True, 96), styles
    )


def test_bad_paintings_and_photographs_are_told(folder, tmp_path):
    small = write(tmp_path / "small.png", 1, (63, 200))
    broken = tmp_path / "broken.png"
    broken.write_bytes(small.read_bytes()[:200])
    for path in (small, broken, tmp_path / "none.png"):
        with pytest.raises(DataError):
            painting(path, 96)
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere", broken):
        with pytest.raises(DataError):
            UnlabelledImages(path)


def test_what_makes_no_sense_is_refused(judge, photographs, folder):
    wave = {"wave": str(folder / "wave.png")}
    with pytest.raises(UsageError, match="one painting"):
        setup.setup_style_training(
            "johnson", folder / "photographs", {**wave, "scream": str(folder / "scream.png")}
        )
    with pytest.raises(UsageError, match="already"):
        setup.setup_added_style(painter(), folder / "photographs", wave)
    with pytest.raises(UsageError, match="StyleBank"):
        setup.setup_added_style(nets.load("lecture"), folder / "photographs", wave)
    with pytest.raises(UsageError, match="2 paintings"):
        Trainer(
            painter(("wave",)),
            photographs,
            recipe=ClassificationRecipe(**SETTINGS),
            task=StyleBankTask(judge, SCALES),
        )
    with pytest.raises(UsageError, match="paints"):
        Trainer(
            nets.load("lecture"),
            photographs,
            recipe=ClassificationRecipe(**SETTINGS),
            task=StyleTransferTask(judge, SCALES),
        )
    with pytest.raises(DataError, match="UnlabelledImages"):
        Trainer(painter(), [1], recipe=ClassificationRecipe(**SETTINGS), task=StyleBankTask(judge, SCALES))


def test_styles_are_named_by_hand_or_by_their_files():
    words = ["a/Great Wave (c1831).jpg", "night=x/y.png", "7.png"]
    assert perceptual.parse_styles(words) == {
        "great-wave-c1831": words[0],
        "night": "x/y.png",
        "style": "7.png",
    }
    with pytest.raises(UsageError, match="twice"):
        perceptual.parse_styles(["wave=a.png", "b/wave.png"])
    with pytest.raises(UsageError, match="at least one"):
        perceptual.parse_styles([])


def test_precision_is_measured_once(judge, photographs, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    net, task = painter(), StyleBankTask(judge, SCALES)
    before = copied(net)

    def unused():
        pytest.fail("a stylizing step of its own is timed")

    chosen = task.choose_execution(net, ClassificationRecipe(batch=2), unused)
    assert chosen in (ExecutionConfig("fp32", "channels_last"), ExecutionConfig("bf16", "channels_last"))
    assert moved(net, before) == set()
    monkeypatch.setattr(StyleBankTask, "_step", lambda *_: pytest.fail("measured again"))
    assert task.choose_execution(net, ClassificationRecipe(batch=2), unused) == chosen


def test_styles_are_compared_where_they_say(folder):
    """Beside NumPy's means and deviations, of the encoder's layers, and of hed-vgg16's at half the size."""
    styles = {"wave": str(folder / "wave.png")}
    scales = StyleLossWeights(content=1.0, style=4.0, smooth=1.0)
    made = setup.setup_style_training("adain", folder / "photographs", styles, scales=scales, seed=4)
    draw = torch.Generator().manual_seed(5)
    photographs, paintings = (torch.rand(1, 3, 64, 64, generator=draw) for _ in range(2))
    module = made.net.module.eval()
    found = made.task.priced(made.net, Batch((photographs,), paintings), PLAIN).sums
    with torch.no_grad():
        target = module.encode(*made.net.normalise(photographs))
        style = module.encode(*made.net.normalise(paintings))
        painted = module.decode(module.exchange(target, statistics(style)))
    vgg, distances = nets.load("hed-vgg16"), []
    for layer in ("relu1_1", "relu2_1", "relu3_1", "relu4_1"):
        pair = [
            next(iter(record(vgg, avg_pool2d(image, 2), [layer]).values()))[0]
            for image in (painted, paintings)
        ]
        distances.append(apart(*pair))
    for fine in zip(*(module.levels(*made.net.normalise(x)) for x in (painted, paintings)), strict=True):
        distances.append(apart(*(maps[0] for maps in fine)))
    assert float(found[2]) == pytest.approx(np.mean(distances), rel=1e-3)
    pixels = painted.double().numpy()
    outside = np.mean(np.maximum(np.abs(pixels - 0.5) - 0.5, 0) ** 2)
    terms = found[1] * 1.0 + found[2] * 4.0 + found[3] * 1.0 + 10 * outside
    assert float(found[0]) == pytest.approx(float(terms), rel=1e-4)


def test_steps_on_one_pair_bring_it_nearer_to_photograph_and_painting(folder):
    """Content and style, each by a tenth and more."""
    styles = {"wave": str(folder / "wave.png")}
    made = setup.setup_style_training("adain", folder / "photographs", styles, seed=4)
    crop, style = (data.middles([0], 64).float() / 255 for data in (made.train, made.task.paintings))
    optimizer = torch.optim.Adam(made.net.module.decoder.parameters(), lr=1e-3)
    seen = []
    for _ in range(40):
        step = made.task.priced(made.net, Batch((crop,), style), PLAIN)
        seen.append(step.sums[1:3])
        optimizer.zero_grad()
        step.loss.backward()
        optimizer.step()
    assert bool((seen[-1] < 0.9 * seen[0]).all()), (seen[0], seen[-1])


def apart(*pair):
    one, other = (
        np.concatenate([maps.mean((1, 2)), np.sqrt(maps.var((1, 2)) + 1e-5)])
        for maps in (x.detach().double().numpy() for x in pair)
    )
    return ((one - other) ** 2).mean() / ((one**2).mean() + (other**2).mean())


def test_any_style_learns_and_goes_on_bit_for_bit(folder, tmp_path):
    """The encoder stays, the decoder learns; stopped and resumed it ends the same."""
    styles = {"wave": str(folder / "wave.png"), "hat": str(folder / "hat.png")}

    def training():
        return setup.setup_style_training(
            "adain",
            folder / "photographs",
            styles,
            scales=StyleLossWeights(style=5.0, side=64, warmup_steps=0),
            seed=4,
        )

    whole = training()
    before, recipe = copied(whole.net), ClassificationRecipe(epochs=6, lr=0.001, **SETTINGS)
    loop = Trainer(whole.net, whole.train, whole.test, recipe, task=whole.task)
    list(loop)
    assert moved(whole.net, before) == {"decoder"}
    half = training()
    loop = Trainer(half.net, half.train, half.test, recipe, task=half.task)
    loop.pause()
    for _event in loop:
        if (loop.epoch, loop.step) == (1, 1):
            break
        loop.pause()
    loop.state().write(tmp_path)
    again = training()
    state = State.read(tmp_path)
    list(Trainer(again.net, again.train, again.test, recipe, task=again.task, state=state))
    assert moved(again.net, copied(whole.net)) == set()
