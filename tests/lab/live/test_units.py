import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from convscope import nets, see, worlds
from convscope.errors import ConvscopeError, DataError, PlaceError, UsageError
from convscope.graph import chain
from convscope.lab.folder import LabFolder
from convscope.lab.live import inputs, pictures
from convscope.lab.live.background import Background
from convscope.lab.live.formulas import formula
from convscope.lab.live.networks import watchable
from convscope.lab.live.units import STEPS, Units, inspect_unit, unit_numbers
from convscope.learn import TaskRecipe, with_vocabulary_of
from convscope.system.progress import Progress


@pytest.fixture(scope="module")
def digits() -> nets.Net:
    return nets.load("digits")


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Units:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Units(Background(), LabFolder(tmp_path))


def test_the_strongest_inputs_come_as_soon_as_they_are_found(units: Units, digits: nets.Net) -> None:
    card = units.card(digits, "digits", "conv2:7")
    assert card["top"] == [] and card["indexed"] < 1
    while units.background.step():
        pass
    card = units.card(digits, "digits", "conv2:7")
    data = inputs.bundled_dataset(digits.input_spec)
    assert data is not None and card["indexed"] == 1
    peaks = torch.cat(
        [see.activations(digits, x, ["conv2:7"])["conv2:7"].amax((1, 2)) for x in _batches(data)]
    )
    values, best = peaks.topk(len(card["top"]))
    assert [entry["sample"] for entry in card["top"]] == best.tolist() and len(best) == 9
    first = card["top"][0]
    assert first["value"] == pytest.approx(float(values[0]), rel=1e-4)
    y, x = first["position"]
    assert first["crop"] == [2 * y, 2 * x, 2 * y + 8, 2 * x + 8]
    assert first["class"] == data.classes[int(data.labels[best[0]])]
    assert first["url"] == f"/api/v1/networks/digits/samples/{int(best[0])}.png"


def test_units_of_a_region_are_compared_with_the_data_as_soon_as_it_was_seen(
    units: Units, digits: nets.Net
) -> None:
    data = inputs.bundled_dataset(digits.input_spec)
    assert data is not None
    image, part = data.inputs([3], digits.input_spec)[0], [[6, 15], [9, 20]]
    early = units.region(digits, image, "conv2", part)
    assert early["indexed"] < 1 and {one["deviation"] for one in early["units"]} == {None}
    while units.background.step():
        pass
    found = units.region(digits, image, "conv2", part)
    assert found["indexed"] == 1 and len(found["units"]) == 6
    first = found["units"][0]
    assert first["address"] == f"conv2:{first['unit']}"
    values = torch.cat(
        [see.activations(digits, x, [first["address"]])[first["address"]] for x in _batches(data)]
    )
    assert first["deviation"] == pytest.approx(
        (first["value"] - float(values.mean())) / float(values.std()), rel=1e-3
    )


def test_the_strongest_sounds_of_a_unit_can_be_heard(units: Units) -> None:
    net = nets.load("spoken-digits")
    units.card(net, "spoken-digits", "conv2:3")
    while units.background.step():
        pass
    card = units.card(net, "spoken-digits", "conv2:3")
    data = worlds.open("chirps", "test", spec=net.input_spec)
    assert card["data"] == "chirps/test" and len(card["top"]) == 9
    peaks = see.activations(net, data.inputs(range(250), net.input_spec), ["conv2:3"])["conv2:3"].amax((1, 2))
    assert [entry["sample"] for entry in card["top"]] == peaks.topk(9).indices.tolist()
    heard = pictures.to_wav(inputs.bundled_input(net.input_spec, card["top"][0]["sample"]).input, net)
    assert heard.startswith(b"RIFF")


def _batches(data: worlds.LabelledDataset) -> Iterator[torch.Tensor]:
    for first in range(0, len(data), 500):
        yield data.inputs(range(first, min(first + 500, len(data))))


def test_a_layer_lists_its_units_with_their_strongest_inputs_and_their_health(
    units: Units, digits: nets.Net
) -> None:
    found = units.layer(digits, "digits", "conv2")
    assert (found["count"], found["indexed"], found["compared"]) == (50, 0, 0)
    assert [one["unit"] for one in found["units"]] == list(range(50))
    assert all(one["max"] is one["top"] is one["dead"] is None for one in found["units"])
    while found["compared"] < 1:
        while units.background.step():
            pass
        found = units.layer(digits, "digits", "conv2")
    data = inputs.bundled_dataset(digits.input_spec)
    assert data is not None and found["data"] == data.name
    acts = torch.cat([see.activations(digits, x, ["conv2"])["conv2"] for x in _batches(data)])
    peaks = acts.amax((2, 3))
    values, best = peaks.max(0)
    assert [one["max"] for one in found["units"]] == pytest.approx(values.tolist(), rel=1e-4)
    assert [one["top"]["sample"] for one in found["units"]] == best.tolist()
    assert [one["mean"] for one in found["units"]] == pytest.approx(acts.mean((0, 2, 3)).tolist(), abs=1e-3)
    shares = (peaks <= 0).float().mean(0).tolist()
    assert [one["inactive_share"] for one in found["units"]] == pytest.approx(shares, abs=1e-6)
    assert [one["dead"] for one in found["units"]] == (values <= 0).tolist()  # a ReLU reads them
    card = units.card(digits, "digits", "conv2:7")
    assert {**found["units"][7]["top"], "value": 0} == {**card["top"][0], "value": 0}
    assert found["units"][7]["visualization"] == card["visualization"]


def test_dead_and_redundant_units_are_marked(units: Units) -> None:
    net = nets.wrap(
        nets.build(chain("1x28x28", "conv 6 3x3, relu, flatten, dense 10"), seed=0),
        nets.load("digits").input_spec,
        nets.load("digits").classes,
        name="marked",
    )
    conv = net.module.get_submodule("conv1")
    with torch.no_grad():
        conv.weight[2], conv.bias[2] = 0, -1  # type: ignore[index]
        conv.weight[4], conv.bias[4] = 3 * conv.weight[1], 0.5  # type: ignore[index]
    found = units.layer(net, "marked", "conv1", "4,1-2")
    while found["compared"] < 1:
        while units.background.step():
            pass
        found = units.layer(net, "marked", "conv1", "4,1-2")
    four, one, two = found["units"]
    assert [entry["unit"] for entry in found["units"]] == [4, 1, 2]
    assert four["redundant"]["earlier"] == 1 and four["redundant"]["correlation"] > 0.999
    assert one["redundant"] is None and two["redundant"] is None
    assert (four["dead"], one["dead"], two["dead"]) == (False, False, True)
    assert two["inactive_share"] == 1 and two["max"] == -1
    output = units.layer(net, "marked", "dense1")
    assert [entry["label"] for entry in output["units"]] == list(net.classes)


def test_units_of_networks_without_data_and_of_texts_are_listed(units: Units) -> None:
    lite = nets.load("torchvision/alexnet", seed=0)
    found = units.layer(lite, "torchvision/alexnet", "features.0", "63")
    assert found["indexed"] is found["compared"] is found["data"] is None
    (only,) = found["units"]
    assert only["max"] is None and "torchvision~alexnet" in only["visualization"]["url"]
    questions = units.layer(nets.load("questions"), "questions", "conv1", "0")
    assert questions["indexed"] is questions["units"][0]["visualization"] is None
    data = worlds.require_labelled(worlds.open("phrases", "test"))
    fresh, recipe = nets.load("kim_cnn", seed=0), TaskRecipe.parse({"network": "kim_cnn", "data": "phrases"})
    words = with_vocabulary_of(fresh, worlds.open("phrases", "train"), data, recipe)[0]
    layer = next(layer.name for layer in watchable(words) if "conv" in layer.name)
    found = units.layer(words, "words", layer, "0-3")
    while found["indexed"] < 1:
        while units.background.step():
            pass
        found = units.layer(words, "words", layer, "0-3")
    bundled = inputs.bundled_dataset(words.input_spec)
    assert bundled is not None
    for entry in found["units"]:
        given = bundled.inputs([entry["top"]["sample"]], words.input_spec)[0]
        value = see.activations(words, given[None], [layer])[layer][0, entry["unit"]].max()
        assert entry["visualization"] is None and entry["max"] == pytest.approx(float(value), abs=1e-4)
        assert len(entry["top"]["text"].split()) > 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("50", PlaceError),
        ("3-2", PlaceError),
        ("0-50", PlaceError),
        ("1,,2", UsageError),
        ("x", UsageError),
        ("-1", UsageError),
        ("1-", UsageError),
        ("٣", UsageError),
        ("99999999999", UsageError),
    ],
)
def test_numbers_of_units_are_checked(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        unit_numbers(text, "conv2", 50)


def test_ranges_of_units_keep_their_order_and_have_a_limit() -> None:
    assert unit_numbers(" 7-9, 1,8,1 ", "conv2", 50) == [7, 8, 9, 1]
    assert unit_numbers("", "conv2", 3) == [0, 1, 2]
    with pytest.raises(UsageError, match="at most 20,000"):
        unit_numbers(",".join(["0-99999"] * 2000), "flatten", 100_000)


def test_a_card_has_weights_formula_code_and_command(units: Units, digits: nets.Net) -> None:
    card = units.card(digits, "digits", "conv2:7")
    conv2 = digits.module.get_submodule("conv2")
    assert card["kernel"]["shape"] == [25, 3, 3] and card["bias"] == float(conv2.bias.detach()[7])  # type: ignore[index]
    assert card["kernel"]["values"] == pytest.approx(conv2.weight[7].flatten().tolist(), rel=1e-5)  # type: ignore[index]
    assert card["formula"]["term_count"] == 225 and card["activation"] == "relu"
    assert card["command"] == "convscope unit digits conv2:7 --data digits --split test"
    assert card["layer"]["options"]["stride"] == card["stride"] == [1, 1]
    space: dict[str, object] = {}
    exec("\n".join(card["code"].splitlines()[:-1]), space)  # without the picture, which takes a while
    assert space["terms"].address.startswith("conv2:7@")  # type: ignore[attr-defined]
    assert card["code"].splitlines()[-1] == "picture = see.visualize(net, 'conv2:7')"
    dense = units.card(digits, "digits", "dense2:3")
    assert dense["kernel"]["shape"] == [100] and dense["activation"] is None
    assert units.card(digits, "digits", "pool1:0")["kernel"] is None
    for wrong in ("conv2:50", "conv9:1", "conv2"):
        with pytest.raises(PlaceError):
            units.card(digits, "digits", wrong)


def test_a_visualization_grows_while_other_inputs_are_seen(units: Units, digits: nets.Net) -> None:
    facts, image = units.visualization(digits, "conv2:7")
    assert facts == {"fraction": 0} and image is None
    with torch.no_grad():  # as a live view between two steps
        for _ in range(STEPS // 2):
            units.background.step()
    assert torch.is_grad_enabled()
    facts, early = units.visualization(digits, "conv2:7")
    assert 0.4 < facts["fraction"] < 0.6 and early is not None
    assert not any(module._forward_hooks for module in digits.module.modules())
    while units.background.step():
        pass
    facts, late = units.visualization(digits, "conv2:7")
    assert facts["fraction"] == 1 and late is not None
    noise = torch.rand(16, 1, 28, 28, generator=torch.Generator().manual_seed(0))

    def mean(picture: torch.Tensor) -> float:
        return float(see.activations(digits, picture, ["conv2:7"])["conv2:7"].mean())

    assert mean(late[None]) > mean(noise) + 0.5 and mean(late[None]) >= mean(early[None]) - 0.1
    assert Image.open(io.BytesIO(pictures.to_png(late, digits))).size == (28, 28)


def test_computations_that_stop_inside_no_grad_do_not_turn_gradients_off() -> None:
    seen = []

    def steps(gradients: bool) -> Iterator[Progress[None]]:
        with torch.set_grad_enabled(gradients):
            for k in range(3):
                seen.append(torch.is_grad_enabled() == gradients)
                yield Progress(k / 3, "", lambda: None)

    background = Background()
    for gradients in (True, False):
        background.get_or_start(gradients, lambda gradients=gradients: steps(gradients))
    for _ in range(3):
        for gradients in (True, False):
            background.get_or_start(gradients, lambda: iter(()))
            assert background.step() and torch.is_grad_enabled()
    assert seen == [True] * 6


def test_a_failed_computation_raises_once_and_may_be_tried_again() -> None:
    background = Background()

    def failing() -> Iterator[Progress[None]]:
        raise UsageError("nothing")
        yield

    background.get_or_start("a", failing)
    assert background.step() and not background.step()
    with pytest.raises(UsageError):
        background.get_or_start("a", failing)
    assert not background.get_or_start("a", failing).done


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left on device"), ValueError("x")])
def test_the_worker_goes_on_whatever_a_computation_raises(error: Exception) -> None:
    background = Background()

    def failing() -> Iterator[Progress[None]]:
        raise error
        yield

    background.get_or_start("a", failing)
    assert background.step()
    with pytest.raises(ConvscopeError) as told:
        background.get_or_start("a", failing)
    assert told.value.__cause__ is error


def test_of_many_computations_the_oldest_are_given_up() -> None:
    closed, background = [], Background()

    def steps(name: int) -> Iterator[Progress[None]]:
        try:
            while True:
                yield Progress(0.0, "", lambda: None)
        finally:
            closed.append(name)

    for name in range(6):
        background.get_or_start(name, lambda name=name: steps(name))
        background.step()
    assert closed == [0, 1]
    background.close()
    assert sorted(closed) == list(range(6))


def test_the_numbers_behind_a_unit(digits: nets.Net) -> None:
    image = inputs.example(digits.input_spec, 5).input
    found = inspect_unit(digits, image, "conv2:7@3,4")
    act = see.activations(digits, image[None], ["conv2", "relu2", "pool1"])
    products = torch.tensor(found["window"]) * torch.tensor(found["weights"])
    assert found["shape"] == [25, 3, 3] and found["taps"] == [[3, 4, 5], [4, 5, 6]]
    assert torch.tensor(found["window"]).reshape(25, 3, 3).allclose(act["pool1"][0, :, 3:6, 4:7], atol=1e-4)
    assert float(products.sum()) + found["bias"] == pytest.approx(found["value"], abs=1e-3)
    assert found["value"] == float(act["conv2"][0, 7, 3, 4])
    assert found["following"] == [
        {"layer": "relu2", "kind": "relu", "value": float(act["relu2"][0, 7, 3, 4])}
    ]


@pytest.mark.parametrize(
    ("text", "name", "formula_text"),
    [
        (
            "conv 4 3x3 stride=2 padding=1, relu",
            "conv1",
            "relu(b + Σ_c Σ_i Σ_j w[c,i,j] · v[c, 2·y + i − 1, 2·x + j − 1])",
        ),
        ("conv 4 3x3 bias=false dilation=2", "conv1", "Σ_c Σ_i Σ_j w[c,i,j] · v[c, y + 2·i, x + 2·j]"),
        ("maxpool 2", "pool1", "max of 2×2 v"),
        ("flatten, dense 3, sigmoid", "dense1", "sigmoid(b + Σ_i w[i] · v[i])"),
        ("flatten, dense 3, softmax", "dense1", "b + Σ_i w[i] · v[i]"),
    ],
)
def test_formulas(text: str, name: str, formula_text: str) -> None:
    graph = chain("3x8x8", text)
    name = next(node.name for node in graph.nodes if node.name.startswith(name.rstrip("1")))
    assert formula(graph, name)["text"] == formula_text


def test_examples_of_every_world_that_has_some() -> None:
    for name, count in (("digits", 2000), ("spoken-digits", 10), ("questions", 0)):
        spec = nets.load(name).input_spec
        first, second = inputs.example(spec, 0), inputs.example(spec, 1)
        assert first.input.shape == second.input.shape == spec.shape and not torch.equal(
            first.input, second.input
        )
        later = [count] if count else range(2, 10)
        assert any(torch.equal(inputs.example(spec, index).input, first.input) for index in later)
    with pytest.raises(UsageError):
        inputs.example(nets.ZOO["alexnet-two-towers"].input_spec, 0)


def test_files_are_shown_encoded_anew(tmp_path: Path) -> None:
    Image.new("RGB", (900, 300), (255, 0, 0)).save(tmp_path / "a", format="JPEG")
    kind, found = pictures.preview(tmp_path / "a", "a.jpg")
    shown = Image.open(io.BytesIO(found))
    assert kind == "image" and shown.format == "PNG" and max(shown.size) == 512
    (tmp_path / "b").write_text("(;FF[4]SZ[9];B[ee];W[cc])")
    assert pictures.preview(tmp_path / "b", "game.sgf")[0] == "go"
    (tmp_path / "c").write_text("<script>alert(1)</script>")
    with pytest.raises(DataError):
        pictures.preview(tmp_path / "c", "c.png")
    assert pictures.preview(tmp_path / "c", "c.txt")[0] == "text"


def test_a_text_is_never_the_name_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("what is it")
    monkeypatch.chdir(tmp_path)
    spec = nets.load("questions").input_spec
    assert inputs.open_input({"text": "secret"}, b"", nets.load("questions"), None).original.text == "secret"  # type: ignore[arg-type]
    assert worlds.open_sample("secret", spec).original.text == "what is it"


def test_pictures_that_are_bombs_are_refused(tmp_path: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(6251 * 50_000), 1)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    folder = LabFolder(tmp_path)
    name = hashlib.sha256(bomb).hexdigest()
    (tmp_path / ".lab" / "uploads").mkdir(parents=True)
    (tmp_path / ".lab" / "uploads" / name).write_bytes(bomb)
    with pytest.raises(DataError):
        pictures.preview(folder.upload(name), "bomb.png")
    with pytest.raises(DataError):
        inputs.open_input({"upload": name}, b"", nets.load("digits"), folder)
    for wrong in ("../../etc/passwd", "0" * 64, name.upper()):
        with pytest.raises(PlaceError):
            inputs.open_input({"upload": wrong}, b"", nets.load("digits"), folder)
