from pathlib import Path

import pytest
import torch
from PIL import Image

from convscope import nets
from convscope.errors import MissingError, UsageError
from convscope.learn import ClassificationRecipe, Epoch, iter_train, setup_training


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


def test_a_trained_network_keeps_its_outputs(tmp_path):
    data = str(folder(tmp_path / "photos", ("",)))
    training = setup_training(ClassificationRecipe(network="digits", data=data, device="cpu"))
    assert len(training.net.classes) == 10 and not any("outputs" in note for note in training.notes)
