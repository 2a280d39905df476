"""Every verb about a text, on one small trained network of words: from the command to picture and page."""

import json

import pytest
from PIL import Image

from convscope import jobs, learn, nets
from convscope.cli.core import app
from convscope.errors import UsageError
from convscope.jobs.registry import load

LINES = [f"good {word} fine film" for word in "abcdefgh"] + [
    f"bad {word} dull dull film" for word in "abcdefgh"
]
TEXT = "a fine new film"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    data = folder / "set.txt"
    data.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    recipe = learn.ClassificationRecipe.parse(
        {"network": "kim_cnn_50", "data": str(data), "optimizer": "adam", "epochs": 4, "batch": 4, "lr": 0.01}
    )
    setup = learn.setup_training(recipe)
    for _ in learn.iter_train(setup.net, setup.train, None, recipe):
        pass
    nets.save(setup.net, folder / "net")
    return folder


def do(verb, made, **settings):
    recipe = load(verb).schema.parse({"net": str(made / "net"), **settings})
    out = made / f"{verb}-{len(list(made.iterdir()))}"
    *_, last = jobs.run(recipe, out)
    return last.result(), out


def test_a_sentence_is_classified(made, capsys):
    assert app.run(["classify", "a fine film", "dull dull", "--net", str(made / "net"), "--json"]) == 0
    printed = capsys.readouterr().out
    answers = json.loads(printed)["answers"]
    assert [answer["top"][0]["label"] for answer in answers] == ["good", "bad"]


def test_unseen_words_are_counted_and_said(made, capsys):
    assert app.run(["look", TEXT, "--net", str(made / "net"), "--out", str(made / "unseen")]) == 0
    assert "1 of 4 words were never seen in training, such as new" in capsys.readouterr().err


def test_words_are_attributed(made):
    document, out = do("explain", made, image="a fine film", target=["good"], checks=False)
    (entry,) = document["explanations"]
    assert entry["method"] == "integrated"
    words = dict(entry["words"])
    assert list(words) == ["a", "fine", "film"]
    assert max(words, key=lambda word: words[word]) == "fine"
    picture = Image.open(out / entry["picture"]).convert("RGB")
    assert max(c for _, c in picture.getcolors(2**20)) == (255, 255, 255)
    tinted = [c for count, c in picture.getcolors(2**20) if c[0] - c[2] > 60 and count > 100]
    assert tinted


def test_methods_are_compared_on_a_page_of_words(made):
    methods = ["occlusion", "inputxgradient"]
    document, out = do("explain", made, image="a fine film", compare=True, method=methods)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count('class="tinted"') >= 2
    assert ">fine<" in page
    occluded = next(entry for entry in document["explanations"] if entry["method"] == "occlusion")
    assert occluded["settings"]["window"] == 1


def test_feature_maps_are_shown_along_the_words(made):
    document, out = do("look", made, image="a fine film")
    page = (out / "look.html").read_text(encoding="utf-8")
    assert page.count('class="tinted"') >= 40
    assert {layer["place"] for layer in document["layers"]} >= {"conv3", "conv4", "conv5"}


def test_a_units_page_has_its_ngrams_with_their_sentences(made):
    found, out = do("unit", made, place="conv3:5", data=str(made / "set.txt"))
    page = (out / "unit.html").read_text(encoding="utf-8")
    best = " ".join(found["ngrams"][0]["words"])
    assert best in page
    assert found["ngrams"][0]["value"] >= found["top"][0]["value"] - 1e-5
    assert found["ngrams"][1]["value"] <= found["bottom"][0]["value"] + 1e-5
    for entry in found["texts"]:
        assert entry["ngram"] in entry["text"]
        assert len(entry["ngram"].split()) <= 3
    assert found["made"]["value"] == pytest.approx(found["ngrams"][0]["value"], abs=1e-4)


def test_a_deeper_unit_has_texts_and_says_why_it_has_no_ngram(made):
    found, out = do("unit", made, place="output:good", data=str(made / "set.txt"))
    assert found["made"] is None
    assert "ngrams" not in found
    assert all("fine" in entry["text"] for entry in found["texts"][:3])
    assert "No n-gram in closed form" in (out / "unit.html").read_text(encoding="utf-8")


def test_all_units_are_listed_with_what_they_see(made):
    found, out = do("units", made, data=str(made / "set.txt"), index=str(made / "index"))
    assert found["units"] == 50 + 300 + 2 + 2
    assert '"ngrams"' in (out / "units.html").read_text(encoding="utf-8")


def test_best_words_come_from_the_weights(made):
    found, out = do("visualize", made, places=["conv3:5", "conv5:1"])
    assert [len(entry["ngram"]) for entry in found["ngrams"]] == [3, 5]
    assert (out / "sheet.png").is_file()
    with pytest.raises(UsageError, match="discrete"):
        do("visualize", made, places=["output:0"])


@pytest.mark.parametrize("verb", ["invert", "caricature"])
def test_what_needs_a_gradient_to_the_input_is_refused_with_what_to_do(made, verb):
    with pytest.raises(UsageError, match=r"discrete.*convscope explain"):
        do(verb, made, image="a fine film", layer=["relu3"])


def test_a_folder_of_texts_is_classified(made, tmp_path, capsys):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "a.txt").write_text("a fine film", encoding="utf-8")
    (tmp_path / "other.bin").write_bytes(b"\0")
    assert app.run(["classify", str(tmp_path), "--net", str(made / "net"), "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert answer["top"][0]["label"] == "good"


def test_the_report_of_a_training_shows_texts_as_texts(made):
    data = made / "mixed.txt"
    data.write_text(
        "\n".join([*LINES, "good dull dull film", "bad fine fine film"] * 3) + "\n", encoding="utf-8"
    )
    recipe = load("train").schema.parse({"network": "kim_cnn_50", "data": str(data), "epochs": 1, "batch": 8})
    *_, last = jobs.run(recipe, made / "run")
    page = (made / "run" / "report.html").read_text(encoding="utf-8")
    assert page.count('class="tinted"') >= 4
    assert last.result()["network"] == "kim_cnn_50"
