"""The drawing of networks: the layout's properties, the page against the graph, hostile names, files."""

import json
import random
import re
import time
import xml.etree.ElementTree as ET
from collections import defaultdict
from html import unescape
from itertools import pairwise

import pytest
import torch
from torch import nn

from convscope.graph.spec import TensorSpec
from convscope.nets import describe, load, wrap
from convscope.show import graphs
from convscope.show.graphs.cards import compact
from convscope.show.graphs.drawing import scene
from convscope.show.graphs.layered import Line, arrange, columns
from convscope.show.graphs.static import legal

pytestmark = pytest.mark.slow

SCRIPT = re.compile(r"<script(?![^>]*application/json)[^>]*>(.*?)</script>", re.DOTALL)


class Residual(nn.Module):
    """Skips, branches, a module used twice, and a function that is no kind of ours."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.shared = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
        self.branches = nn.ModuleList([nn.Conv2d(4, 2, 1), nn.Sequential(nn.Conv2d(4, 2, 1), nn.ReLU())])

    def forward(self, x):
        x = self.stem(x)
        y = self.shared(x) + x
        y = torch.roll(self.shared(y), 1, 2) + x
        return torch.cat([branch(y) for branch in self.branches], 1), y


def drawn(module_or_name):
    if isinstance(module_or_name, str):
        net = load(module_or_name)
    else:
        net = wrap(module_or_name, TensorSpec((3, 16, 16)), name="net")
    description = describe(net)
    tree = graphs.tree(description)
    classes = {name: type(module).__name__ for name, module in net.module.named_modules()}
    return description, tree, graphs.cards(tree, classes)


@pytest.fixture(scope="module")
def residual():
    return drawn(Residual())


@pytest.fixture(scope="module")
def resnet():
    return drawn("torchvision/resnet50")


@pytest.fixture(scope="module")
def densenet():
    return drawn("torchvision/densenet121")


@pytest.fixture(params=["residual", "resnet", "densenet"])
def any_net(request):
    return request.getfixturevalue(request.param)


def states(tree):
    """Foldings: none, as at first, everything, and some at random."""
    modules = [part.number for part in tree.parts if part.children]
    chance = random.Random(0)
    yield frozenset()
    yield tree.readable()
    yield frozenset(modules)
    for _ in range(6):
        yield frozenset(chance.sample(modules, len(modules) // 2))


def crossing_rows(lines, rank):
    return all(rank[line.source] < rank[target] for line in lines for target in line.targets)


def random_lines(chance, count):
    lines = []
    for source in range(count - 1):
        far = range(source + 1, min(count, source + chance.choice((2, 3, 12))))
        targets = tuple(sorted(chance.sample(list(far), min(len(far), chance.randint(1, 3)))))
        lines.append(Line(source, source, targets))
    return lines


@pytest.mark.parametrize("seed", range(40))
def test_any_graph_is_layered_without_overlaps_and_runs_downward(seed):
    chance = random.Random(seed)
    count = chance.randint(2, 40)
    lines = random_lines(chance, count)
    made = arrange(count, lines)
    assert made == arrange(count, lines)
    items = [item for row in made.rows for item in row]
    assert sorted(items) == list(range(len(items))) and len(items) >= count
    assert crossing_rows(lines, made.row)
    for line in made.lines:
        for route, target in zip(made.routes(line), line.targets, strict=True):
            assert (route[0], route[-1]) == (line.source, target)
            assert all(made.row[b] == made.row[a] + 1 for a, b in pairwise(route))
    sizes = [chance.uniform(5, 100) for _ in items]
    xs, width = columns(made, sizes, sizes, 10)
    for row in made.rows:
        ends = [(xs[made.column[i]] - sizes[i], xs[made.column[i]] + sizes[i]) for i in row]
        assert all(b[0] - a[1] > 10 - 1e-6 for a, b in pairwise(ends))
        assert ends[0][0] > -1e-6 and ends[-1][1] < width + 1e-6


def test_a_planar_graph_has_no_crossings_and_chains_are_straight():
    """Four branches given in an order that crosses; each of three items."""
    order, lines = [3, 1, 0, 2], []
    lines.append(Line(0, 0, (1, 2, 3, 4)))
    for branch in range(4):
        lines.append(Line(1 + branch, 1 + branch, (5 + order[branch],)))
        lines.append(Line(5 + branch, 5 + branch, (9,)))
    made = arrange(10, lines)
    place = {item: x for row in made.rows for x, item in enumerate(row)}
    for branch in range(4):
        assert place[1 + branch] == place[5 + order[branch]]
        assert made.column[1 + branch] == made.column[5 + order[branch]]
    xs, width = columns(made, [50] * 10, [50] * 10, 20)
    assert xs[made.column[0]] == xs[made.column[9]] == width / 2  # forks and joins stand in the middle


def test_a_skip_connection_leaves_the_main_path_straight():
    lines = [Line(0, 0, (1, 3)), Line(1, 1, (2,)), Line(2, 2, (3,)), Line(3, 3, (4,))]
    made = arrange(5, lines)
    assert len({made.column[item] for item in range(5)}) == 1
    assert len(made.lines[0].bends) == 2


@pytest.mark.slow
def test_modules_form_an_acyclic_tree_that_holds_each_layer_once(any_net):
    description, tree, _ = any_net
    leaves = [part for part in tree.parts if not part.children]
    assert sorted(part.first for part in leaves) == list(range(len(tree.leaves)))
    names = [leaf.name for leaf in tree.leaves if leaf.role == "layer"]
    assert names == [node.name for node in description.graph.nodes]
    for part in tree.parts:
        assert all(tree.parts[child].parent == part.number for child in part.children)
        if part.layout is not None:
            assert len(part.children) > 1
            assert crossing_rows(part.layout.lines, part.layout.row)


def test_paths_are_those_of_the_modules(residual, resnet):
    _, tree, cards = resnet
    by_path = {part.path: part for part in tree.parts}
    block = by_path["layer3.0"]
    assert by_path["layer3"].number == block.parent and block.label == "0"
    assert cards[block.number].kind == "Bottleneck"
    assert {tree.parts[c].label for c in block.children} >= {"conv1", "downsample", "add", "relu#3"}
    _, tree, _ = residual
    assert {"shared#1", "shared#2", "stem", "branches"} <= {part.path for part in tree.parts}


def test_nothing_overlaps_and_every_edge_is_there_once(any_net):
    _, tree, cards = any_net
    edges = {(source, t) for t, leaf in enumerate(tree.leaves) for source in leaf.sources}
    for state in states(tree):
        made = scene(tree, cards, state)
        by_part = {box.part: box for box in made.boxes}
        assert len(by_part) == len(made.boxes)
        for box in made.boxes:
            siblings = [by_part[c] for c in tree.parts[tree.parts[box.part].parent].children if c > box.part]
            for other in siblings:
                apart = (
                    box.x + box.width <= other.x
                    or other.x + other.width <= box.x
                    or box.y + box.height <= other.y
                    or other.y + other.height <= box.y
                )
                assert apart, (tree.parts[box.part].path, tree.parts[other.part].path)
            above = by_part.get(tree.parts[box.part].parent)
            if above:
                assert above.x < box.x and box.x + box.width < above.x + above.width
                assert above.y < box.y and box.y + box.height < above.y + above.height
        in_sight = {}
        for leaf in range(len(tree.leaves)):
            closed = [b.part for b in made.boxes if not b.unfolded and tree.parts[b.part].has(leaf)]
            assert len(closed) == 1
            in_sight[leaf] = closed[0]
        wanted = {(s, in_sight[t]) for s, t in edges if in_sight[s] != in_sight[t]}
        arrows = [(wire.value, wire.target) for wire in made.wires if wire.arrow]
        assert sorted(arrows) == sorted(wanted)
        assert_connected(made)


def assert_connected(made):
    """Each wire runs downward, touches what it joins, and goes on where it enters or leaves a module."""
    boxes = {box.part: box for box in made.boxes}
    ends = defaultdict(set)
    for wire in made.wires:
        assert all(b[1] >= a[1] for a, b in pairwise(wire.points))
        for part, (x, y), low in ((wire.source, wire.points[0], True), (wire.target, wire.points[-1], False)):
            box = boxes.get(part)
            if box:
                assert box.x - 1e-6 <= x <= box.x + box.width + 1e-6
                assert y == pytest.approx(box.y + box.height if low else box.y)
                if box.unfolded:
                    ends[wire.value, part, low].add((round(x, 3), round(y, 3)))
    for wire in made.wires:
        if wire.source < 0:
            assert ends[wire.value, wire.around, False] == {tuple(round(v, 3) for v in wire.points[0])}
        if wire.target < 0:
            assert ends[wire.value, wire.around, True] == {tuple(round(v, 3) for v in wire.points[-1])}


def test_wires_pass_no_card(any_net):
    _, tree, cards = any_net
    made = scene(tree, cards, tree.readable())
    cards_ = [box for box in made.boxes if not box.unfolded]
    for wire in made.wires:
        for (x, y), (to_x, to_y) in pairwise(wire.points):
            for box in cards_:
                if y < box.y + box.height - 1e-6 and to_y > box.y + 1e-6:
                    assert max(x, to_x) <= box.x or min(x, to_x) >= box.x + box.width


def test_sums_are_those_of_the_description(any_net):
    description, _, cards = any_net
    assert cards[0].macs == description.macs
    assert cards[0].parameters == description.parameters - description.idle


def test_what_is_shown_first_can_be_read(resnet, densenet):
    for _, tree, _ in (resnet, densenet):
        shown = [c for p in tree.readable() for c in tree.parts[p].children if c not in tree.readable()]
        assert 12 <= len(shown) <= 42
    _, tree, _ = resnet
    assert "layer3.5" in {tree.parts[c].path for p in tree.readable() for c in tree.parts[p].children}


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (9_408, "9.41K"), (999_499, "999K"), (999_600, "1M"), (4_089_184_256, "4.09G")],
)
def test_counts_in_three_digits(count, text):
    assert compact(count) == text


def page_of(described, **more):
    description, tree, cards = described
    return graphs.page(description, tree, cards, tree.readable(), command="convscope describe net", **more)


def embedded(page, key):
    found = re.search(rf'<script type="application/json" id="{key}">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


def test_the_page_holds_every_layer_and_shape_and_stays_small(resnet):
    description = resnet[0]
    page = page_of(resnet, recipe={"verb": "describe", "net": "torchvision/resnet50"})
    data = embedded(page, "network")
    assert len(page) < 1_000_000
    layers = {part["path"]: part for part in data["parts"] if "inside" not in part}
    for info in description.layers:
        assert layers[info.name]["output"] == "×".join(map(str, info.output_shape))
        assert (layers[info.name]["parameters"], layers[info.name]["macs"]) == (info.parameters, info.macs)
    conv = dict(layers["layer1.0.conv2"]["details"])
    assert conv["option kernel_size"] == "3×3" and conv["field"] == "19×19"
    assert data["shapes"][len(description.inputs)] == "64×112×112"
    assert embedded(page, "convscope-recipe")["net"] == "torchvision/resnet50"
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)


HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202e\x00\x07]]>&amp;<!--",
    "a" * 500,
    "中文",
    "\ud800",
    "{{ 7 * 7 }}",
    "`**x**`",
]


@pytest.fixture(scope="module")
def hostile():
    module = nn.Sequential()
    for name in HOSTILE:
        module.add_module(name, nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))
    net = wrap(module, TensorSpec((3, 8, 8)), name="<script>alert(2)</script>\ud800")
    description = describe(net)
    tree = graphs.tree(description)
    return description, tree, graphs.cards(tree, {name: "<b>" for name, _ in net.module.named_modules()})


def test_names_cannot_break_the_page(hostile):
    page = page_of(hostile, recipe={"verb": "describe", "net": "</script><b>"})
    page.encode()
    assert len(SCRIPT.findall(page)) == 1  # the page's own
    assert "<img src=x" not in page and "alert(2)</script>" not in page and "<b>" not in page
    labels = [part["path"] for part in embedded(page, "network")["parts"]]
    assert {legal(name) for name in HOSTILE} <= set(labels)
    assert embedded(page, "convscope-recipe")["net"] == "</script><b>"


def test_names_cannot_break_the_svg(hostile):
    _, tree, cards = hostile
    text = graphs.svg(tree, cards, tree.at_depth(9), {"verb": "describe", "net": "</metadata>\x00"})
    root = ET.fromstring(text.encode())
    kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert kinds == {"svg", "title", "metadata", "style", "rect", "defs", "marker", "path", "text", "tspan"}
    assert json.loads(root.find("{*}metadata").text)["net"] == "</metadata>\x00"


def test_the_svg_is_folded_to_a_depth(resnet):
    _, tree, cards = resnet
    texts = [
        re.findall(r"<text[^>]*>(.*?)</text>", graphs.svg(tree, cards, tree.at_depth(d))) for d in (0, 9)
    ]
    words = [unescape(re.sub("<.*?>", "", " ".join(found))) for found in texts]
    assert "layer3" in words[0] and "Bottleneck" not in words[0] and "conv2 " not in words[0]
    assert words[1].count("conv2 ") >= 16 and "2048×7×7" in words[0]


@pytest.mark.exhaustive
def test_a_thousand_layers_take_seconds():
    """1,200 layers in 300 blocks with a skip connection each; and the same without modules."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU())

        def forward(self, x):
            return self.body(x) + x

    described = describe(wrap(nn.Sequential(*(Block() for _ in range(300))), TensorSpec((3, 2, 2))))
    flat = type(described)(**{**vars_of(described), "scopes": {}, "graph": renamed(described.graph)})
    for one in (described, flat):
        start = time.process_time()
        tree = graphs.tree(one)
        cards = graphs.cards(tree, {})
        graphs.page(one, tree, cards, tree.readable(), command="x")
        scene(tree, cards, tree.at_depth(9))
        assert len(tree.leaves) > 1200 and time.process_time() - start < 20


def vars_of(described):
    return {name: getattr(described, name) for name in type(described).__dataclass_fields__}


def renamed(graph):
    """The graph with names without dots: nothing to fold."""
    from convscope.graph.graph import Graph, Node

    plain = {node.name: node.name.replace(".", "_") for node in graph.nodes}
    nodes = [Node(plain[n.name], n.layer, tuple(plain.get(i, i) for i in n.inputs)) for n in graph.nodes]
    return Graph(dict(graph.inputs), tuple(nodes))


def test_every_entry_of_the_contents_leads_to_a_part_of_the_page():
    description = describe(load("digits"))
    tree = graphs.tree(description)
    page = graphs.page(description, tree, graphs.cards(tree, {}), tree.readable(), command="x")
    for nav in ("contents", "chapters numbered"):
        (found,) = re.findall(rf'<nav class="{nav}".*?</nav>', page, re.DOTALL)
        assert re.findall(r'href="#(\w+)"', found) == ["view", "legend", "colophon"]
    assert all(page.count(f'id="{anchor}"') == 1 for anchor in ("view", "legend", "colophon"))
