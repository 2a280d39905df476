"""Cached features are what the head of the network reads."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.learn.conftest import small_net
from torch import Tensor

from convscope import nets, worlds
from convscope.learn.trainer.distributed import Processes
from convscope.learn.transfer import features
from convscope.learn.transfer.features import cache_folder, iter_features, prune_cache


def collected(steps):
    shares = []
    while True:
        try:
            shares.append(next(steps))
        except StopIteration as end:
            return end.value, shares


def read_by_hand(net: nets.Net, path: str, images: Tensor) -> Tensor:
    """What a forward hook on the network's own head sees, one image at a time."""
    seen: list[Tensor] = []
    handle = net.module.get_submodule(path).register_forward_pre_hook(lambda _m, x: seen.append(x[0].clone()))
    with torch.no_grad():
        for image in images:
            net(image[None])
    handle.remove()
    return torch.cat(seen)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name in ("ant", "bee"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(7):
            pixels = generator.integers(0, 255, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{k}.png")
    return tmp_path / "data"


def test_they_are_what_the_head_reads(train_images) -> None:
    net = nets.load("digits")
    head = nets.find_head(net)
    data = train_images.take(range(300))
    found, shares = collected(iter_features(net, head, data))
    assert shares == sorted(shares) and shares[-1] == 1
    by_hand = read_by_hand(net, head.path, data.batch(range(20)).inputs[0])
    torch.testing.assert_close(found[:20], by_hand, rtol=1e-4, atol=1e-5)
    assert found.shape == (300, head.in_features)


def test_of_a_convolution_that_is_averaged_they_give_the_networks_answers(train_images) -> None:
    net = small_net(text="conv 4 3x3, relu, maxpool 2, conv 10 1x1, globalavgpool, flatten")
    head = nets.find_head(net)
    data = train_images.take(range(50))
    found, _shares = collected(iter_features(net, head, data))
    assert found.shape == (50, 4)
    with torch.no_grad():
        wanted = net(data.batch(range(50)).inputs[0])
        torch.testing.assert_close(head.logits(found, net.module), wanted, rtol=1e-4, atol=1e-5)


def test_batch_norm_is_folded_and_nothing_of_the_network_changes(photos: Path) -> None:
    net = nets.load("efficientnet_lite0")
    before = {n: t.clone() for n, t in net.module.state_dict().items()}
    head = nets.find_head(net)
    data = worlds.open(photos, spec=net.input_spec)
    found, _ = collected(iter_features(net, head, data))
    by_hand = read_by_hand(net, "classifier", data.batch(range(3)).inputs[0])
    torch.testing.assert_close(found[:3], by_hand, rtol=1e-3, atol=1e-3)
    assert all(torch.equal(t, before[n]) for n, t in net.module.state_dict().items())
    assert not any(m._forward_pre_hooks for m in net.module.modules())


def test_they_are_computed_once(train_images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, data = nets.load("digits"), train_images.take(range(300))
    head = nets.find_head(net)
    first, _ = collected(iter_features(net, head, data, cache=tmp_path / "c"))
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == ["0.safetensors", "256.safetensors"]
    monkeypatch.setattr(features, "run", None)  # no forward pass
    again, _ = collected(iter_features(net, head, data, cache=tmp_path / "c"))
    assert torch.equal(first, again)


class Unsent(Processes):
    """One of two processes, whose share is looked at before it is sent."""

    def sum(self, tensor: Tensor) -> Tensor:
        return tensor


def test_each_process_computes_its_share_of_the_chunks(train_images) -> None:
    net, data = nets.load("digits"), train_images.take(range(600))
    head = nets.find_head(net)
    whole, _ = collected(iter_features(net, head, data))
    shares = []
    for rank in (0, 1):
        found, progress = collected(iter_features(net, head, data, processes=Unsent(rank, 2)))
        assert progress == sorted(progress) and progress[-1] == 1
        shares.append(found)
    assert torch.equal(shares[0][:512], whole[:512]) and not shares[0][512:].any()
    assert torch.equal(shares[1][512:], whole[512:]) and not shares[1][:512].any()


@pytest.mark.parametrize("damage", [b"", b"\x00" * 100, None])
def test_a_damaged_chunk_is_computed_again(train_images, tmp_path: Path, damage: bytes | None) -> None:
    net, data = nets.load("digits"), train_images.take(range(300))
    head = nets.find_head(net)
    first, _ = collected(iter_features(net, head, data, cache=tmp_path))
    chunk = tmp_path / "256.safetensors"
    if damage is None:  # whole, but of another data set
        shutil.copy(tmp_path / "0.safetensors", chunk)
    else:
        chunk.write_bytes(damage)
    again, _ = collected(iter_features(net, head, data, cache=tmp_path))
    assert torch.equal(first, again)


def test_an_interrupted_pass_keeps_its_chunks(train_images, tmp_path: Path) -> None:
    net, data = nets.load("digits"), train_images.take(range(300))
    head = nets.find_head(net)
    steps = iter_features(net, head, data, cache=tmp_path)
    while next(steps) < 0.9:
        pass
    steps.close()
    assert [p.name for p in tmp_path.iterdir()] == ["0.safetensors"]


@pytest.mark.parametrize("damage", ["zeros", "one bit", "cut", "no digest"])
def test_damaged_features_are_computed_again(train_images, tmp_path: Path, damage: str) -> None:
    """Also where they are numbers of the right shape: every result would depend on them."""
    net, data = nets.load("digits"), train_images.take(range(20))
    head = nets.find_head(net)
    good, _ = collected(iter_features(net, head, data, cache=tmp_path))
    (file,) = tmp_path.iterdir()
    stored = load_file(file)
    if damage == "zeros":
        save_file(stored | {"features": torch.zeros_like(good)}, file)
    elif damage == "no digest":
        save_file({"features": stored["features"]}, file)
    else:
        content = bytearray(file.read_bytes())
        content[content.index(good.numpy().tobytes()) + 2] ^= 1
        file.write_bytes(content[:-9] if damage == "cut" else content)
    assert torch.equal(collected(iter_features(net, head, data, cache=tmp_path))[0], good)
    assert torch.equal(load_file(file)["features"], good)


def test_where_a_file_cannot_be_read_nothing_is_kept(photos: Path, tmp_path: Path) -> None:
    whole = (photos / "ant" / "3.png").read_bytes()
    (photos / "ant" / "3.png").write_bytes(whole[: len(whole) // 2])
    net = nets.load("efficientnet_lite0")
    data = worlds.open(photos, spec=net.input_spec)
    collected(iter_features(net, nets.find_head(net), data, cache=tmp_path / "c"))
    assert data.problems and not (tmp_path / "c").exists()


def test_another_network_or_other_files_have_another_folder(photos: Path) -> None:
    net = nets.load("efficientnet_lite0")
    head = nets.find_head(net)
    data = worlds.open(photos, spec=net.input_spec)
    first = cache_folder(net, head, data)
    with torch.no_grad():
        net.module.get_submodule("classifier").weight.add_(1)  # the head does not count
    assert cache_folder(net, head, data) == first
    with torch.no_grad():
        net.module.get_submodule("conv_stem").weight[0, 0, 0, 0] += 1
    second = cache_folder(net, head, data)
    assert second != first
    Image.new("RGB", (60, 40)).save(photos / "ant" / "0.png")
    assert cache_folder(net, head, worlds.open(photos, spec=net.input_spec)) != second


def test_the_cache_is_bounded_and_removes_its_own_files_only(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = own_cache / "convscope" / "features"
    for age, name in enumerate(("new", "middle", "old")):
        (root / name).mkdir(parents=True)
        (root / name / "0.safetensors").write_bytes(b"x" * 100)
        os.utime(root / name, (1e9 - age, 1e9 - age))
    (root / "old" / "notes.txt").write_text("mine")
    monkeypatch.setattr(features, "LARGEST_CACHE", 150)
    prune_cache(root / "new")
    assert [p.name for p in (root / "old").iterdir()] == ["notes.txt"]
    assert not (root / "middle").exists() and (root / "new" / "0.safetensors").exists()


def test_another_activation_function_has_another_folder(train_images) -> None:
    """Nothing of it is in the weights."""
    folders = set()
    for activation in ("relu", "tanh"):
        net = small_net(text=f"conv 4 3x3, {activation}, maxpool 2, flatten, dense 10")
        folders.add(cache_folder(net, nets.find_head(net), train_images))
    assert len(folders) == 2
