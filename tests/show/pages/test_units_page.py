"""The page of all units: what it holds, and how it behaves in a browser."""

import json
import re
import subprocess
from html import unescape

import pytest
import torch
from PIL import Image
from scipy import stats
from tests.show.browser import PROBE, chromium, measured
from torch import nn

from convscope import nets
from convscope.graph.spec import TensorSpec
from convscope.nets import load, wrap
from convscope.see.units import Redundancy, index_units, iter_redundancy
from convscope.show.images.sprite import sprite
from convscope.show.pages import units
from convscope.system.progress import last_result
from convscope.worlds import ImageTensorDataset
from convscope.worlds.datasets import digits


def page_of(net, data, *, pages=None, index=None, redundancy=None):
    index = index or index_units(net, data, k=5)
    redundancy = redundancy or last_result(iter_redundancy(net, data), "a comparison")
    return units.page(
        index,
        redundancy,
        net,
        data,
        command="convscope units digits --data digits",
        unit_command=("convscope unit digits ", " --data digits"),
        pages=pages or {},
        recipe={"verb": "units", "net": "digits", "data": "digits"},
    )


def document_of(page):
    return json.loads(re.search(r'id="index">(.*?)</script>', page, re.DOTALL)[1])


@pytest.fixture(scope="module")
def small():
    data = digits.test().take(range(120))
    net = load("digits")
    return net, data, page_of(net, data, pages={"conv2:3": "../there/unit.html"})


def acted(page, folder, steps, width=1000):
    """Open a page, run some steps, and return what they put into `found`."""
    script = f"""<script>addEventListener("load", function () {{ var found = {{ errors: errors }};
      function rows() {{ return [].map.call(document.querySelectorAll("#units .row .name b"),
        function (b) {{ return b.textContent; }}); }}
      var list = document.getElementById("units");
      {steps}
      document.body.innerHTML = "<pre id=out></pre>";
      document.getElementById("out").textContent = JSON.stringify(found); }});</script>"""
    probed = page.replace("<head>", "<head>" + PROBE, 1).replace("</body>", script + "</body>", 1)
    (folder / "page.html").write_text(probed, encoding="utf-8")
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    words += ["--virtual-time-budget=4000", f"--window-size={width},900", "--dump-dom"]
    done = subprocess.run(
        [chromium(), *words, (folder / "page.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return json.loads(unescape(re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL)[1]))


def test_the_numbers_are_those_of_a_pass_by_hand(small):
    net, data, page = small
    found = document_of(page)
    with torch.no_grad():
        maps = nets.record(net, data.images.float() / 255, ["conv2", "output"])
    conv2, output = (act.flatten(2).amax(2) if act.dim() == 4 else act for act in maps.values())
    first = found["layers"][0][1]
    peaks = torch.tensor(found["peaks"][first : first + 50])
    torch.testing.assert_close(peaks, conv2.amax(0), rtol=1e-3, atol=1e-4)
    inactive = torch.tensor(found["inactive"][-10:])
    assert (inactive - 100 * (output <= 0).float().mean(0)).abs().max() < 0.06
    assert found["layers"][-1][2] == list(net.classes)
    best = output.topk(5, 0).indices.T  # the kept images of each output
    for unit, (common, count, kept) in enumerate(found["common"][-10:]):
        counts = data.labels[best[unit]].bincount(minlength=10)
        tied = int((counts == counts.max()).sum()) > 1
        share = float((data.labels == counts.argmax()).float().mean())
        chance = 10 * stats.binom.sf(int(counts.max()) - 1, 5, share)
        assert kept == 5 and count == int(counts.max())
        assert common == (-1 if tied or chance >= 0.05 else int(counts.argmax()))


def test_units_that_say_nothing_of_their_own_are_marked():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 26 * 26, 4))
    with torch.no_grad():
        module[0].weight[3] = 2 * module[0].weight[1]  # the same but for its scale
        module[0].weight[4], module[0].bias[4] = 0, 0.5  # a constant
        module[0].weight[5], module[0].bias[5] = -module[0].weight[5].abs(), -1  # always below 0
    net = wrap(module, TensorSpec((1, 28, 28)), name="made")
    found = document_of(page_of(net, digits.test().take(range(40))))
    assert found["flags"][:6] == [0, 0, 0, units.REDUNDANT, units.DEAD, units.DEAD]
    assert found["partners"]["3"][0] == 1 and found["partners"]["3"][1] > 0.99


def test_a_class_leads_only_where_it_does():
    data = digits.test()
    net = load("digits")
    mixed = torch.cat([(data.labels == k).nonzero().flatten()[:2] for k in range(10)])
    index = index_units(net, data.take(mixed), ["output"], k=20)  # all twenty, two of each class
    assert all(common == [-1, 2, 20] for common in units._common(index))
    index = index_units(net, data.take((data.labels == 7).nonzero().flatten()[:3]), ["output"], k=3)
    assert all(common == [-1, 3, 3] for common in units._common(index))  # there is no other class
    index = index_units(net, data.take(range(200)), ["output"], k=4)
    assert [unit for unit, common in enumerate(units._common(index)) if common == [unit, 4, 4]]


def test_small_images_stay_within_their_bytes():
    generator = torch.Generator().manual_seed(0)

    def draw(numbers):
        noise = torch.randint(0, 256, (len(numbers), 60, 60, 3), dtype=torch.uint8, generator=generator)
        return [Image.fromarray(one.numpy()) for one in noise]

    made = sprite(300, draw, 40_000)  # noise is the worst that a codec can meet
    assert len(made.uri) <= 40_000 and 1 <= made.shown <= 300
    large = sprite(9, draw, 1_000_000)
    assert (large.side, large.shown, large.columns, large.rows) == (56, 9, 3, 3)
    assert sprite(0, draw, 100).shown <= 1


def test_a_row_is_found_filtered_and_sorted(small, tmp_path):
    steps = """var find = document.getElementById("find"), order = document.getElementById("order");
      found.first = rows(); found.buttons = document.querySelectorAll("#units button[data-command]").length;
      find.value = "conv2:3"; find.dispatchEvent(new Event("input")); found.searched = rows();
      found.link = document.querySelector("#units .row a").getAttribute("href");
      find.value = ""; find.dispatchEvent(new Event("input"));
      document.querySelector("input[value=dead]").click(); found.dead = rows();
      found.count = document.querySelector(".filters label:nth-child(2) b").textContent;
      document.querySelector("input[value=all]").click();
      order.value = "peak"; order.dispatchEvent(new Event("change")); found.sorted = rows();
      find.value = "dense1:7"; find.dispatchEvent(new Event("input"));
      found.command = document.querySelector("#units button").getAttribute("data-command");"""
    found = acted(small[2], tmp_path, steps)
    data = document_of(small[2])
    names = [f"{place}:{unit}" for place, count, _ in data["layers"] for unit in range(count)]
    assert found["errors"] == [] and found["first"][:3] == ["conv1:0", "conv1:1", "conv1:2"]
    assert found["searched"][0] == "conv2:3" and all("conv2:3" in name for name in found["searched"])
    assert found["link"] == "../there/unit.html"
    dead = [name for name, flag in zip(names, data["flags"], strict=True) if flag & units.DEAD]
    assert found["dead"] == dead[: len(found["dead"])] and int(found["count"]) == len(dead)
    by_peak = sorted(range(len(names)), key=lambda i: -data["peaks"][i])
    assert found["sorted"] == [names[i] for i in by_peak[: len(found["sorted"])]]
    assert found["command"] == "convscope unit digits dense1:7 --data digits"


def test_ten_thousand_units_keep_a_small_document(tmp_path):
    torch.manual_seed(0)
    net = wrap(nn.Sequential(nn.Flatten(), nn.Linear(784, 12_000)), TensorSpec((1, 28, 28)), name="wide")
    data = digits.test().take(range(30))
    page = page_of(net, data, redundancy=Redundancy(0, {}))
    assert len(page) < 4_000_000
    steps = """found.most = 0;
      found.all = list.firstElementChild.getBoundingClientRect().height; found.ends = [];
      [0, 0.25, 0.5, 1].forEach(function (share) {
        list.scrollTop = share * list.scrollHeight; list.dispatchEvent(new Event("scroll"));
        found.most = Math.max(found.most, document.querySelectorAll("#units .row").length);
        found.ends.push(rows().slice(-1)[0]); });
      var began = performance.now();
      document.getElementById("find").value = "1:11999";
      document.getElementById("find").dispatchEvent(new Event("input"));
      found.ms = performance.now() - began; found.rows = rows();"""
    found = acted(page, tmp_path, steps)
    assert found["errors"] == [] and found["all"] > 500_000
    assert 5 < found["most"] < 40  # of 12,010
    assert found["ends"][-1] == "output:11999" or found["ends"][-1] == "1:11999"
    assert "1:11999" in found["rows"]


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_it_fits_phone_and_desk_and_fetches_nothing(small, tmp_path, width, scheme):
    found = measured(small[2], tmp_path, width, scheme)
    assert found["overflow"] <= 0, found["culprits"]
    assert found["errors"] == [] and found["requests"] == []
    assert found["language"] == "zh" and found["hidden"]


def test_names_of_classes_cannot_break_the_page(tmp_path):
    images = digits.test().images[:20]
    bad = [f"</script><img src=x onerror=alert({k})>" for k in range(10)]
    data = ImageTensorDataset(images, digits.test().labels[:20], bad, digits.SPEC, "<b>")
    page = page_of(load("digits").with_classes(bad), data)
    assert "<img src=x" not in page and "<b>" not in page.replace("<b></b>", "")


@pytest.mark.parametrize("width", [600, 1280])
def test_no_line_of_a_row_is_cut_and_the_table_of_layers_fits(small, tmp_path, width):
    """The narrowest window of headless Chromium is 500 px wide; fonts of phones are not needed for this."""
    steps = """found.cut = [].filter.call(document.querySelectorAll("#units .row :is(.name b, .says span)"),
        function (e) { return e.scrollWidth > e.clientWidth + 1 && e.clientWidth; }).map(function (e) {
          return e.textContent; });
      var table = document.querySelector(".scrolled"); found.wide = table.scrollWidth - table.clientWidth;
      found.rows = rows().length;"""
    found = acted(small[2], tmp_path, steps, width)
    assert found["errors"] == [] and found["rows"] > 3
    assert found["cut"] == [] and found["wide"] <= 0
