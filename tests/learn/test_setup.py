import itertools
import wave as wave_file
from pathlib import Path

import pytest
import torch
from PIL import Image

from convscope import nets, worlds
from convscope.errors import DataError, MissingError, UsageError
from convscope.learn import ClassificationRecipe, Epoch, Trainer, iter_train, setup_training
from convscope.learn.batches.holdout import hold_out


def folder(root: Path, splits: tuple[str, ...]) -> Path:
    generator = torch.Generator().manual_seed(0)
    for split in splits:
        for name, colour in (("red", (200, 40, 40)), ("green", (40, 200, 40)), ("blue", (40, 40, 200))):
            place = root / split / name
            place.mkdir(parents=True)
            for k in range(10):
                noise = torch.randint(-20, 20, (24, 24, 3), generator=generator)
                Image.fromarray((noise + torch.tensor(colour)).to(torch.uint8).numpy()).save(
                    place / f"{k}.png"
                )
    return root


def test_the_digits():
    training = setup_training(ClassificationRecipe())
    assert training.net.name == "lecture-relu"
    assert (len(training.train), len(training.test)) == (8000, 2000)


CHAIN = "conv 8 3x3 stride=2, relu, globalavgpool, flatten, dense 16, relu, dense 3"


@pytest.mark.parametrize("splits", [("",), ("train", "val"), ("train", "test")])
@pytest.mark.slow
def test_a_folder_of_pictures_and_a_chain(tmp_path, splits):
    data = folder(tmp_path / "photos", splits)
    training = setup_training(ClassificationRecipe(network=CHAIN, data=str(data), device="cpu"))
    assert (len(training.train), len(training.test)) == ((24, 6) if splits == ("",) else (30, 30))
    assert training.test.labels.bincount().tolist() == [len(training.test) // 3] * 3
    assert training.train.name.endswith(splits[0] or "photos")
    recipe = ClassificationRecipe(
        epochs=12, batch=6, lr=0.02, augment=("flip",), precision="fp32", memory_format="contiguous"
    )
    epochs = [
        e for e in iter_train(training.net, training.train, training.test, recipe) if isinstance(e, Epoch)
    ]
    assert epochs[-1].test_metrics["accuracy"] > 0.9


def test_held_out_pictures_are_no_training_pictures(tmp_path):
    data = folder(tmp_path / "photos", ("",))
    training = setup_training(ClassificationRecipe(network=CHAIN, data=str(data)))
    paths = set(training.train.paths) & set(training.test.paths)  # pyright: ignore
    assert not paths


@pytest.mark.parametrize(("samples", "said"), [(100, True), (24, False), (10, False)])
def test_more_samples_than_there_are_is_said(tmp_path, samples: int, said: bool):
    data = folder(tmp_path / "photos", ("",))
    found = setup_training(ClassificationRecipe(network=CHAIN, data=str(data), samples=samples))
    assert len(found.train) == min(samples, 24)
    assert ("there are only 24 to learn from" in " ".join(found.notes)) is said


def damage(*paths: Path) -> None:
    for path in paths:
        path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize("splits", [("",), ("train", "test")])
def test_nothing_is_measured_on_what_stands_in_for_damaged_pictures(tmp_path, splits):
    data = folder(tmp_path / "photos", splits)
    whole = setup_training(ClassificationRecipe(network=CHAIN, data=str(data)))
    damage(whole.test.paths[0], whole.train.paths[1])
    found = setup_training(ClassificationRecipe(network=CHAIN, data=str(data)))
    assert found.test.paths == whole.test.paths[1:]
    assert found.train.paths == whole.train.paths  # batches stay whole, and a resumed run has the same ones
    rest, validation = hold_out(found.train, 0.5, 0)
    damage(validation.paths[0])
    again = hold_out(setup_training(ClassificationRecipe(network=CHAIN, data=str(data))).train, 0.5, 0)
    assert again[1].paths == validation.paths[1:] and again[0].paths == rest.paths


def test_a_class_that_cannot_be_learned_is_refused_before_anything_is_written(tmp_path):
    data = folder(tmp_path / "my photos", ("train", "test"))
    recipe = ClassificationRecipe(network=CHAIN, data=str(data))
    damage(*(data / "train" / "red").iterdir())
    with pytest.raises(DataError, match="red: all 10 are damaged") as caught:
        setup_training(recipe)
    assert f"convscope data check '{data}'" in caught.value.hint
    for path in (data / "train" / "red").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"at least one picture of each class.* red: none in train") as caught:
        setup_training(recipe)
    assert "Add pictures to the folder of red in train, or remove" in caught.value.hint
    assert f"convscope data check '{data}'" in caught.value.hint and caught.value.exit_code == 3


@pytest.mark.parametrize("splits", [("",), ("train", "test")])
def test_a_class_without_a_picture_is_refused_and_named(tmp_path, splits):
    data = folder(tmp_path / "photos", splits)
    recipe = ClassificationRecipe(network=CHAIN, data=str(data))
    for split in splits:
        (data / split / "roses").mkdir()
    with pytest.raises(DataError, match="roses: none"):
        setup_training(recipe)
    with pytest.raises(DataError, match="roses: none"):
        setup_training(recipe.model_copy(update={"network": "resnet20"}))
    for split in splits:
        (data / split / "roses" / "notes.txt").write_text("no picture")
    with pytest.raises(DataError, match=r"roses: none \(unreadable: 1\)"):
        setup_training(recipe)


def texts_and_sounds(root: Path, kind: str, splits: tuple[str, ...]) -> Path:
    """A folder of ten texts, or of ten sounds, for each of two classes."""
    for split, name, k in itertools.product(splits, ("high", "low"), range(10)):
        place = root / split / name
        place.mkdir(parents=True, exist_ok=True)
        if kind == "text":
            (place / f"{k}.txt").write_text(f"a {name} note and another number {k}\n", encoding="utf-8")
            continue
        turns = torch.arange(4000) * (0.3 if name == "high" else 0.05)
        wave = (turns.sin() * 20_000).to(torch.int16).numpy().tobytes()
        with wave_file.open(str(place / f"{k}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(wave)
    return root


@pytest.mark.parametrize("splits", [("",), ("train", "test")])
@pytest.mark.parametrize(("kind", "network"), [("text", "kim_cnn_50"), ("sound", "sound-frequency")])
def test_a_class_without_a_text_or_a_sound_is_refused_and_named(tmp_path, kind, network, splits):
    data = texts_and_sounds(tmp_path / "my data", kind, splits)
    recipe = ClassificationRecipe(network=network, data=str(data))
    assert setup_training(recipe).train.classes == ("high", "low")  # pyright: ignore
    for split in splits:
        (data / split / "middle").mkdir()
    where = " in train" if "train" in splits else ""
    said = rf"at least one {kind} of each class to learn from; received middle: none{where}\. "
    for content in (None, "notes.pdf", *(["empty.txt"] if kind == "text" else [])):
        if content is not None:
            (data / splits[0] / "middle" / content).touch()
        with pytest.raises(DataError, match=said) as caught:
            setup_training(recipe)
        assert f"Add {kind}s to the folder of middle{where}" in caught.value.hint
        assert f"convscope data check '{data}'" in caught.value.hint and caught.value.exit_code == 3
        found = worlds.check_data(data)
        assert not found.ok and found.thing == kind
        assert set(found.empty_classes) == {"/".join(filter(None, (part, "middle"))) for part in splits}
    (data / splits[-1] / "middle").rename(data / splits[-1] / "apart")
    with pytest.raises(DataError, match="apart: none"):
        setup_training(recipe)


def test_a_class_that_is_only_tested_or_never_tested(tmp_path):
    data = folder(tmp_path / "photos", ("train", "test"))
    recipe = ClassificationRecipe(network=CHAIN, data=str(data))
    for path in (data / "test" / "red").iterdir():
        path.unlink()
    assert "No test sample is of red" in " ".join(setup_training(recipe).notes)
    for split, name in (("train", "green"), ("test", "red")):
        for path in (data / split / name).iterdir():
            path.unlink()
        (data / split / name).rmdir()
    with pytest.raises(DataError, match="green: none in train"):
        setup_training(recipe)


@pytest.mark.parametrize(
    ("chain", "said", "fixed"),
    [
        ("conv 4 3x3, relu", "The last layer is missing", "conv 4 3x3, relu, flatten, dense 10"),
        ("conv 4 3x3, relu, flatten", "The last layer is missing", "conv 4 3x3, relu, flatten, dense 10"),
        ("flatten, dense 7", "Its last layer must be dense 10", "flatten, dense 10"),
    ],
)
def test_a_chain_without_a_head_is_told_the_layers_that_are_missing(chain, said, fixed):
    recipe = ClassificationRecipe(network=chain, data="digits", epochs=1)
    setup = setup_training(recipe)
    with pytest.raises(UsageError, match="a network with 10 outputs") as caught:
        Trainer(setup.net, setup.train, recipe=recipe)
    assert said in caught.value.hint and f"convscope train '{fixed}' digits" in caught.value.hint
    mended = setup_training(recipe.model_copy(update={"network": fixed}))
    Trainer(mended.net, mended.train.take(range(40)), recipe=recipe.model_copy(update={"network": fixed}))


def test_what_is_not_there():
    with pytest.raises(UsageError):
        setup_training(ClassificationRecipe(network="lectur"))
    with pytest.raises(UsageError):
        setup_training(ClassificationRecipe(data="digit"))
    with pytest.raises(MissingError):
        setup_training(ClassificationRecipe(data="mnist"))
    if not torch.cuda.is_available():
        with pytest.raises(MissingError):
            setup_training(ClassificationRecipe(device="cuda"))


def test_the_full_set(shared_data):
    training = setup_training(ClassificationRecipe(data="mnist", root=shared_data / "mnist"))
    assert (len(training.train), len(training.test)) == (60_000, 10_000)


def test_a_fresh_network_gets_an_output_for_each_class_of_the_data(tmp_path):
    data = str(folder(tmp_path / "photos", ("",)))
    training = setup_training(ClassificationRecipe(network="resnet20", data=data, device="cpu"))
    assert training.net(training.net.example(2)).shape == (2, 3)
    assert set(training.net.classes) == {"red", "green", "blue"}
    assert any("3 outputs" in note and "in place of 10" in note for note in training.notes)
    kept, plain = training.net.module.state_dict(), nets.load("resnet20", seed=0).module.state_dict()
    changed = [name for name, weight in kept.items() if not torch.equal(weight, plain[name])]
    assert changed == ["dense.weight", "dense.bias"]


def test_layers_are_no_network_to_start_from(tmp_path):
    recipe = ClassificationRecipe(from_="conv 4 3x3, relu", data=str(tmp_path))
    with pytest.raises(UsageError, match="a trained network in --from") as refused:
        setup_training(recipe)
    assert f"convscope train 'conv 4 3x3, relu' {tmp_path}" in refused.value.hint


def test_a_trained_network_keeps_its_outputs(tmp_path):
    for number in range(30):
        place = tmp_path / "drawn" / "abc"[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        stroke = torch.zeros(28, 28, dtype=torch.uint8)
        stroke[6:22, 4 + number % 3 * 6 :][:, :4] = 255 - number
        Image.fromarray(stroke.numpy()).save(place / f"{number}.png")
    data = str(tmp_path / "drawn")
    training = setup_training(ClassificationRecipe(network="digits", data=data, device="cpu"))
    assert len(training.net.classes) == 10 and not any("outputs" in note for note in training.notes)
    with pytest.raises(UsageError, match="3 outputs") as refused:
        training.task.prepare(training.net, training.train, ClassificationRecipe(network="digits", data=data))
    assert f"convscope train {data} --from digits;" in refused.value.hint
