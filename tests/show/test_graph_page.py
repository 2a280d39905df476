"""The page of a network's graph in a browser: it folds as Python lays it out, by click and by keyboard."""

import json
import re
import subprocess
from html import unescape

import pytest
from tests.show.browser import PROBE, chromium, measured
from tests.show.test_graphs import HOSTILE, Residual

from convscope.graph.spec import TensorSpec
from convscope.nets import describe, load, wrap
from convscope.show import graphs
from convscope.show.graphs.drawing import scene

pytestmark = pytest.mark.slow

ACTIONS = """<script>addEventListener("load", function () {
  var reports = [];
  function label(path) { var at = DATA.parts.findIndex(function (p) { return p.path === path; });
    return document.querySelector('.sheet button[data-part="' + at + '"]'); }
  function key(path, name) { var b = label(path); b.focus();
    b.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true })); }
  function report() {
    var boxes = [].map.call(document.querySelectorAll(".sheet button"), function (b) {
      var frame = [].find.call(document.querySelectorAll(".frame"), function (f) {
        return /head/.test(b.className) && f.style.left === b.style.left && f.style.top === b.style.top; });
      return [+b.dataset.part, parseFloat(b.style.left), parseFloat(b.style.top), parseFloat(b.style.width),
        parseFloat((frame || b).style.height), b.getAttribute("aria-expanded")]; });
    var focus = document.activeElement.dataset.part, details = document.getElementById("details");
    reports.push({ boxes: boxes, focus: focus ? DATA.parts[+focus].path : "",
      wires: document.querySelectorAll(".wires > path").length,
      details: details.hidden ? "" : details.textContent }); }
  var DATA = JSON.parse(document.getElementById("network").textContent);
  /*STEPS*/
  var out = document.createElement("pre"); out.id = "out";
  out.textContent = JSON.stringify({ reports: reports, errors: errors }); document.body.append(out);
});</script>"""


def described(net):
    description = describe(net)
    tree = graphs.tree(description)
    return description, tree, graphs.cards(tree, {n: type(m).__name__ for n, m in net.module.named_modules()})


def page_of(made):
    return graphs.page(*made, made[1].readable(), command="convscope describe net")


def acted(page, folder, steps):
    """Open the page, run the steps, and return what they reported."""
    (folder / "page.html").write_text(
        page.replace("<head>", "<head>" + PROBE, 1).replace(
            "</body>", ACTIONS.replace("/*STEPS*/", steps) + "</body>", 1
        ),
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            chromium(),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=4000",
            "--window-size=1280,900",
            "--dump-dom",
            (folder / "page.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    match = re.search(r"<pre id=\"out\">(.*?)</pre>", done.stdout, re.DOTALL)
    assert match, done.stderr[-500:]
    found = json.loads(unescape(match[1]))
    assert found["errors"] == []
    return found["reports"]


def assert_drawn_as(report, tree, cards, unfolded):
    """Every box stands where Python puts it, and there are as many wires."""
    wanted = scene(tree, cards, unfolded)
    found = {box[0]: box[1:5] for box in report["boxes"]}
    assert found.keys() == {box.part for box in wanted.boxes}
    for box in wanted.boxes:
        assert found[box.part] == pytest.approx([box.x, box.y, box.width, box.height], abs=0.01), box
    assert report["wires"] == len(wanted.wires)
    states = {box[0]: box[5] for box in report["boxes"]}
    for box in wanted.boxes:
        foldable = bool(tree.parts[box.part].children)
        assert states[box.part] == (str(box.unfolded).lower() if foldable else None)


@pytest.fixture(scope="module")
def residual():
    return described(wrap(Residual(), TensorSpec((3, 16, 16)), name="net"))


def test_modules_fold_and_unfold_by_click_and_by_key(residual, tmp_path):
    _, tree, cards = residual
    steps = """report(); label("shared#1").click(); report(); key("shared#1", "ArrowRight"); report();
      key("shared#1", "ArrowLeft"); key("branches", "ArrowLeft"); report();
      key("stem", "ArrowRight"); key("stem.0", "ArrowDown"); report();
      document.getElementById("less").click(); report(); document.getElementById("more").click();
      document.getElementById("more").click(); report();
      document.getElementById("first").click(); report();"""
    found = acted(page_of(residual), tmp_path, steps)
    number = {part.path: part.number for part in tree.parts}
    first = tree.readable()
    shared, branches = number["shared#1"], number["branches"]
    assert {shared, branches} <= first
    states = [first, first - {shared}, first, first - {shared, branches}, first - {shared, branches}]
    for report, state in zip(found, states, strict=False):
        assert_drawn_as(report, tree, cards, state)
    assert (found[1]["focus"], found[2]["focus"], found[4]["focus"]) == ("", "shared#1", "stem.1")
    assert "shared#1" in found[1]["details"] and "batchnorm2d" in found[4]["details"]
    assert len(found[5]["boxes"]) < len(found[4]["boxes"])
    assert_drawn_as(found[6], tree, cards, tree.at_depth(9))
    assert_drawn_as(found[7], tree, cards, first)


@pytest.mark.slow
def test_a_layer_is_found_by_its_name(tmp_path):
    made = described(load("torchvision/resnet18"))
    steps = """var find = document.getElementById("find"); find.value = "layer3.1.conv2";
      find.dispatchEvent(new Event("change")); report();"""
    (found,) = acted(page_of(made), tmp_path, steps)
    assert found["focus"] == "layer3.1.conv2" and "256×14×14" in found["details"]
    number = {part.path: part.number for part in made[1].parts}
    assert_drawn_as(found, made[1], made[2], made[1].readable() | {number["layer3"], number["layer3.1"]})


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_the_page_fits_phone_and_desk_and_fetches_nothing(residual, tmp_path, width, scheme):
    found = measured(page_of(residual), tmp_path, width, scheme)
    assert found["overflow"] <= 0, found["culprits"]
    assert found["errors"] == [] and found["requests"] == []
    assert found["language"] == "zh" and found["hidden"]


def test_hostile_names_stay_text(tmp_path):
    from torch import nn

    module = nn.Sequential()
    for name in HOSTILE:
        module.add_module(name, nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))
    made = described(wrap(module, TensorSpec((3, 8, 8)), name="<img src=x onerror=alert(3)>"))
    steps = """document.getElementById("more").click();
      label('"><img src=x onerror=alert(1)>').click(); report();
      errors.push.apply(errors, [].map.call(document.querySelectorAll("img, .sheet script"), String));"""
    (found,) = acted(page_of(made), tmp_path, steps)
    assert '"><img src=x onerror=alert(1)>' in found["details"]
