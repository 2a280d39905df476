"""Every verb from end to end, on small real input."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from rich.console import Console

from convscope.cli.tables.network import nets
from convscope.show.images import png


@pytest.fixture
def digit(tmp_path: Path) -> Path:
    from convscope.worlds.datasets import digits

    samples = digits.test()
    Image.fromarray(samples.pixels([0])[0, 0].numpy()).save(tmp_path / "digit.png")
    return tmp_path / "digit.png"


def the_digit() -> str:
    from convscope.worlds.datasets import digits

    samples = digits.test()
    return samples.classes[int(samples.labels[0])]


def test_describe_counts_the_lecture(convscope) -> None:
    found = convscope("describe", "lecture", "--json").json
    assert found["parameters"] == 137_660
    assert [layer["output_shape"] for layer in found["layers"]][:4] == [
        [25, 26, 26],
        [25, 13, 13],
        [50, 11, 11],
        [50, 5, 5],
    ]
    assert "137,660 parameters" in convscope("describe", "lecture").out


def test_describe_for_another_input(convscope) -> None:
    larger = convscope("describe", "lecture", "--input", "1x32x32", "--json").json
    assert larger["parameters"] == 250 + 11_300 + (50 * 6 * 6 + 1) * 100 + 1_010
    foreign = convscope("describe", "torchvision/resnet18", "--input", "3x64x64", "--json").json
    assert foreign["parameters"] == 11_689_512  # torchvision's own documentation
    assert foreign["layers"][0]["output_shape"] == [64, 32, 32]


def test_nets_finds_names_and_counts_the_table(convscope) -> None:
    names = convscope("nets", "ResNet18", "--json").json["names"]
    assert "torchvision/resnet18" in names
    assert "timm/resnet18" in names


@pytest.mark.parametrize("width", [60, 80, 110, 200])
def test_nets_cuts_no_name_and_no_number_off(width: int) -> None:
    told = {"size_mb": 215, "top1": 0.804, "top5": 0.953, "parameters": 138_357_544, "depth": 572}
    here = {"size_mb": 213.2, "parameters": 155_843_464, "keras_total": 155_873_736, "depth": 176}
    line = {
        "name": "InceptionResNetV2",
        "reference": "timm/inception_resnet_v2",
        "printed": told,
        "counted": here,
    }
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(nets.table({"own": [], "keras": [line]}))
    text = console.export_text()
    expected = [
        "InceptionResNetV2",
        "timm/inception_resnet_v2",
        "0.804",
        "138,357,544",
        "155,843,464",
        "155,873,736",
    ]
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    if width >= 80:
        assert all(word in text for word in expected)
    assert ("| MB" in text) is (width == 200)


@pytest.mark.exhaustive
def test_nets_counts_keras_table(convscope) -> None:
    found = convscope("nets", "--json").json
    rows = {row["name"]: row for row in found["keras"]}
    assert rows["VGG16"]["counted"]["parameters"] == 138_357_544  # counted by torchvision's documentation
    assert rows["VGG16"]["printed"]["top1"] == 0.715
    assert all(row["counted"]["agrees"] for row in rows.values())
    assert "lecture" in {entry["name"] for entry in found["own"]}


def test_doctor_checks_itself_and_names_a_next_step(convscope) -> None:
    found = convscope("doctor", "--json").json
    checks = {check["what"]: check for check in found["checks"]}
    assert checks["data"]["ok"]
    assert checks["self-test"]["ok"]
    assert all(check["ok"] or check["next"] for check in checks.values())


def test_doctor_warns_when_the_digits_are_damaged(convscope, monkeypatch) -> None:
    from convscope.worlds.datasets import digits

    def damaged() -> None:
        raise OSError("damaged")

    monkeypatch.setattr(digits, "train", damaged)
    found = {check["what"]: check for check in convscope("doctor", "--json").json["checks"]}
    assert not found["data"]["ok"]
    assert found["data"]["next"]


def test_classify_reads_a_digit(convscope, digit: Path) -> None:
    done = convscope("classify", digit, "--net", "digits", "--json")
    (answer,) = done.json["answers"]
    assert answer["top"][0]["label"] == the_digit()
    assert 0.5 < answer["top"][0]["probability"] <= 1
    mixed = convscope("classify", digit, "nowhere.png", "--net", "digits", "--json")
    assert mixed.code == 3
    assert "error" in mixed.json["answers"][1]
    assert mixed.json["answers"][0] == answer


def test_classify_a_photograph(convscope, shared_data: Path) -> None:
    photo = next(path for path in sorted((shared_data / "open_photos").iterdir()) if "cat" in path.name)
    found = convscope("classify", photo, "--json").json
    assert "cat" in " ".join(entry["label"] for entry in found["answers"][0]["top"])


def test_look_shows_every_layer_and_its_degrees(convscope, digit: Path, tmp_path: Path) -> None:
    import torch

    from convscope import load
    from convscope.worlds.datasets import digits

    found = convscope("look", digit, "--net", "digits", "--out", "seen", "--json").json
    layers = {layer["place"]: layer for layer in found["layers"]}
    net = load("digits")
    image = digits.test().pixels([0]) / 255
    maps = torch.nn.functional.conv2d(image, net.module.conv1.weight, net.module.conv1.bias)  # pyright: ignore
    sums, spread = maps[0].sum((1, 2)).detach(), maps[0].detach().numpy().std((1, 2))
    strongest = layers["conv1"]["strongest"][0]
    inside = maps[0].detach().numpy()[:, 1:-1, 1:-1].std((1, 2))
    assert strongest["unit"] == int(inside.argmax())
    assert strongest["inside"] == pytest.approx(float(inside.max()), rel=1e-4)
    assert strongest["deviation"] == pytest.approx(float(spread[strongest["unit"]]), rel=1e-4)
    assert strongest["degree"] == pytest.approx(float(sums[strongest["unit"]]), rel=1e-4)
    listed = [entry["inside"] for entry in layers["conv2"]["strongest"]]
    assert listed == sorted(listed, reverse=True) and min(listed) >= 0
    assert {layer["picture"] for layer in layers.values()} == {None}
    assert {f["place"] for f in found["filters"]} == {"conv1", "conv2"}
    names = {path.name for path in (tmp_path / "seen").iterdir()}
    assert names == {"look.html", "look.png", "input.png", "filters.png"}
    places = ("--places", "conv1", "--places", "dense1")
    chosen = convscope("look", digit, "--net", "digits", *places, "--out", "chosen", "--json").json
    assert [layer["picture"] for layer in chosen["layers"]] == ["conv1.png", None]
    assert png.recipe_in(tmp_path / "chosen" / "conv1.png")["verb"] == "look"


def test_visualize_makes_pictures_that_replay_bit_for_bit(convscope, tmp_path: Path) -> None:
    words = ("lecture", "conv2:3", "output:7", "--steps", "4", "--seed", "5")
    found = convscope("visualize", *words, "--out", "first", "--json").json
    assert [p["place"] for p in found["pictures"]] == ["conv2:3", "output:7"]
    picture = tmp_path / "first" / found["pictures"][0]["picture"]
    again = convscope("replay", picture, "--out", "again", "--json").json
    assert again["replayed"]["same_picture"] is True
    assert again["replayed"]["versions_differ"] == []
    assert again["pictures"] == found["pictures"]
    for name in ("sheet.png", *(p["picture"] for p in found["pictures"])):
        first, second = (Image.open(tmp_path / folder / name) for folder in ("first", "again"))
        assert ImageChops.difference(first, second).getbbox() is None
    other = convscope("visualize", *words[:-1], "6", "--out", "other").code
    assert other == 0
    one, two = (Image.open(tmp_path / folder / picture.name) for folder in ("first", "other"))
    assert ImageChops.difference(one, two).getbbox() is not None, "another seed is another picture"


def test_replay_says_when_versions_differ(convscope, tmp_path: Path) -> None:
    convscope("visualize", "lecture", "conv1:0", "--steps", "1", "--out", "first")
    recipe = png.recipe_in(tmp_path / "first" / "conv1-0.png")
    recipe["versions"]["torch"] = "1.0.0"
    with Image.open(tmp_path / "first" / "conv1-0.png") as image:
        png.save(image.copy(), tmp_path / "old.png", recipe)
    done = convscope("replay", "old.png", "--out", "again", "--json")
    assert "torch 1.0.0 then" in done.err
    assert any("torch" in line for line in done.json["replayed"]["versions_differ"])


def test_replay_an_answer_saved_as_json(convscope) -> None:
    first = convscope("describe", "lecture", "--input", "1x40x40", "--out", "answer.json", "--json").json
    again = convscope("replay", "answer.json", "--json").json
    assert again["parameters"] == first["parameters"]
    assert again["replayed"]["verb"] == "describe"


def test_a_replayed_verb_ends_with_its_own_exit_code(convscope, tmp_path: Path, digit: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    line = ("classify", digit, tmp_path / "broken.png", "--net", "digits", "--out", tmp_path / "answer.json")
    assert convscope(*line).code == 3
    assert convscope("replay", tmp_path / "answer.json").code == 3


def test_data_check_names_what_is_wrong_and_exits_3(convscope, tmp_path: Path, digit: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
    (tmp_path / "pictures/a/1.png").write_bytes(digit.read_bytes())
    Image.new("L", (9, 9), 7).save(tmp_path / "pictures/b/2.png")
    well = convscope("data", "check", "pictures")
    assert well.code == 0
    assert "All is well" not in well.out and "a single picture in a, b" in well.out
    (tmp_path / "pictures/a/bad.png").write_bytes(b"no picture")
    done = convscope("data", "check", "pictures", "--json")
    assert done.code == 3
    assert done.json["report"]["total"] == 2
    assert done.json["report"]["problems"][0]["path"] == "a/bad.png"


def test_one_class_is_no_success(convscope, tmp_path: Path, digit: Path) -> None:
    from convscope import nets
    from convscope.graph.chain import chain
    from convscope.worlds.datasets import digits

    (tmp_path / "pictures/a/b").mkdir(parents=True)
    for number in range(10):
        Image.new("L", (9, 9), number).save(tmp_path / f"pictures/a/b/{number}.png")
    done = convscope("data", "check", "pictures")
    assert done.code == 3
    assert "All is well" not in done.out
    assert "one class only, a" in done.out and "a holds folders (b)" in done.out
    words = ("conv 2 3x3, relu, globalavgpool, dense 1", "pictures", "--epochs", "1", "--precision", "fp32")
    assert "one class only, a" in convscope("train", *words).err
    net = nets.wrap(nets.build(chain("1x28x28", "flatten, dense 1")), digits.SPEC, ["a"], name="one")
    nets.save(net, tmp_path / "one")
    answer = convscope("classify", digit, "--net", "one")
    assert answer.code == 0
    assert "100" not in answer.out and "says nothing" in answer.out
    assert (
        convscope("classify", digit, "--net", "one", "--json").json["answers"][0]["top"][0]["probability"]
        is None
    )


def test_train_writes_a_run_that_loads_and_classifies(convscope, digit: Path, tmp_path: Path) -> None:
    chain = "conv 4 5x5 stride=2, relu, flatten, dense 10"
    done = convscope(
        "train", chain, "digits", "--epochs", "1", "--precision", "fp32", "--out", "mine", "--json"
    )
    found = done.json
    assert found["test"]["accuracy"] > 0.5
    assert sum(map(sum, found["test"]["confusion"])) == found["test"]["pictures"] == 2000
    lines = (tmp_path / "mine/metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["test_metrics"]["accuracy"] == pytest.approx(found["test"]["accuracy"])
    assert convscope("classify", digit, "--net", "mine", "--json").json["answers"][0]["top"]
    assert convscope("describe", "mine", "--json").json["parameters"] == 4 * 25 + 4 + 576 * 10 + 10
    again = convscope("train", chain, "digits", "--out", "mine")
    assert again.code == 2
    assert "does not exist yet" in again.err


@pytest.mark.slow
def test_train_learns_from_a_folder_of_photographs(convscope, shared_data: Path) -> None:
    words = (
        "conv 4 3x3 stride=2, relu, globalavgpool, dense 5",
        shared_data / "flowers",
        "--epochs",
        "1",
        "--batch",
        "64",
    )
    found = convscope("train", *words, "--precision", "fp32", "--out", "flowers", "--json")
    assert found.code == 0, found.err
    assert found.json["test"]["pictures"] == 200


@pytest.mark.slow
def test_ctrl_c_saves_and_exits_130(tmp_path: Path) -> None:
    words = ["train", "mlp", "digits", "--epochs", "50", "--precision", "fp32", "--out", "mine"]
    process = subprocess.Popen(
        [sys.executable, "-m", "convscope", *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "mine/metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert out == ""
    assert "convscope train --resume mine" in err
    assert "Traceback" not in err
    assert (tmp_path / "mine/model.safetensors").exists()


def test_visualize_stopped_keeps_the_pictures_so_far(convscope, monkeypatch, tmp_path: Path) -> None:
    from convscope.see.visualization import visualization

    whole = visualization.iter_visualize

    def stopped(*words, **named):
        for number, step in enumerate(whole(*words, **named)):
            yield step
            if number == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr("convscope.see.visualization.iter_visualize", stopped)
    done = convscope("visualize", "lecture", "conv1:0", "--steps", "50", "--out", "kept")
    assert done.code == 130
    assert "stopped at step 2" in done.err
    assert (tmp_path / "kept/conv1-0.png").is_file()


@pytest.mark.slow
def test_stdout_of_a_process_is_one_document(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "convscope", "visualize", "lecture", "conv1:0", "--steps", "1", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (tmp_path / document["out"] / "conv1-0.png").is_file()
    assert document["out"].startswith("runs/")
    assert "\x1b" not in done.stderr
    failed = subprocess.run(
        [sys.executable, "-m", "convscope", "describe", "lectur", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert failed.returncode == 2
    assert "Did you mean lecture" in json.loads(failed.stdout)["error"]["hint"]
    assert failed.stderr == ""


@pytest.mark.exhaustive
def test_the_tour_runs_to_its_end(convscope, tmp_path: Path) -> None:
    done = convscope("tour", "--epochs", "1", "--steps", "4", "--out", "tour", "--json")
    assert done.code == 0, done.err
    page = (tmp_path / "tour/report.html").read_text(encoding="utf-8")
    assert done.json["accuracy"]["lecture-relu"] > 0.8
    assert "137,660" in page
    assert convscope("describe", "tour/lecture-relu", "--json").json["parameters"] == 137_660


def test_describe_draws_the_graph_whole_and_never_over_another(convscope, tmp_path: Path) -> None:
    page, drawing = tmp_path / "net.html", tmp_path / "deeper" / "net.svg"
    found = convscope("describe", "lecture", "--out", str(page), "--json").json
    assert found["out"] == str(page) and found["parameters"] == 137_660
    assert "25×26×26" in page.read_text(encoding="utf-8")
    again = convscope("replay", str(page), "--out", str(drawing))
    assert "Again: convscope describe lecture" in again.err
    assert drawing.read_text(encoding="utf-8").startswith("<svg ")
    before = page.read_bytes()
    assert convscope("describe", "lecture", "--out", str(page)).code == 2
    assert page.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deeper", "net.html"]
    same = tmp_path / "same.svg"
    convscope("replay", str(drawing), "--out", str(same))
    assert same.read_bytes() == drawing.read_bytes()


def test_describe_names_the_command_that_makes_its_page(convscope, tmp_path: Path, monkeypatch) -> None:
    """The command that the page prints is run, and makes a page with the same command."""
    monkeypatch.chdir(tmp_path)
    command = r"<pre translate=\"no\">(convscope describe .*?)</pre>"
    convscope("describe", "lecture", "--out", "my-net.html")
    (printed,) = re.findall(command, Path("my-net.html").read_text(encoding="utf-8"))
    Path("my-net.html").unlink()
    assert convscope(*printed.split()[1:]).code == 0
    assert re.findall(command, Path("my-net.html").read_text(encoding="utf-8")) == [printed]


def test_describe_writes_the_endings_it_knows_and_a_folder_without_one(convscope, tmp_path: Path) -> None:
    for name in ("net.png", "net.htm", "net.pdf"):
        done = convscope("describe", "lecture", "--out", str(tmp_path / name))
        assert done.code == 2 and not (tmp_path / name).exists()
        assert all(ending in done.err for ending in (".html", ".svg", ".json"))
    found = convscope("describe", "lecture", "--out", str(tmp_path / "net"), "--json").json
    assert found["out"] == str(tmp_path / "net") and found["parameters"] == 137_660
    assert sorted(p.name for p in (tmp_path / "net").iterdir()) == ["net.html", "net.json", "net.svg"]
    assert json.loads((tmp_path / "net" / "net.json").read_text())["parameters"] == 137_660
    assert "describe lecture --out net<" in (tmp_path / "net" / "net.html").read_text(encoding="utf-8")


def test_describe_says_what_depth_is_for(convscope, tmp_path: Path) -> None:
    done = convscope("describe", "lecture", "--depth", "1")
    assert done.code == 2 and "--out net.html" in done.err
    document = tmp_path / "net.json"
    convscope("describe", "lecture", "--out", str(document))
    assert json.loads(document.read_text())["recipe"]["net"] == "lecture"


def test_replay_refuses_pages_without_a_recipe(convscope, tmp_path: Path) -> None:
    broken = '<script type="application/json" id="convscope-recipe">[</script>'
    for name, text in (("a.html", "<p>nothing</p>"), ("b.svg", "<svg/>"), ("c.html", broken)):
        (tmp_path / name).write_text(text)
        done = convscope("replay", str(tmp_path / name))
        assert done.code == 3 and name in done.err
