"""Networks are refused when a weight is no number, and only then."""

from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from convscope import jobs
from convscope.errors import DataError
from convscope.graph import TensorSpec, chain
from convscope.jobs import Workspace, inputs
from convscope.nets import build, load, save, wrap
from convscope.recipe import OnNetwork
from convscope.use.recipe import StylizeRecipe
from convscope.worlds import WORLDS


@pytest.mark.parametrize("values", [[torch.nan], [torch.inf], [torch.inf, -torch.inf]])
def test_a_weight_that_is_no_number_is_named(tmp_path, values):
    net = load("digits")
    name, weight = list(net.module.named_parameters())[2]
    with torch.no_grad():
        weight.view(-1)[: len(values)] = torch.tensor(values)
    save(net, tmp_path)
    with pytest.raises(DataError, match=name):
        inputs.network(str(tmp_path), OnNetwork(), Workspace())


def test_numbers_whose_sum_overflows_are_numbers(tmp_path):
    net = load("digits")
    with torch.no_grad():
        next(net.module.parameters()).fill_(3e38)
    save(net, tmp_path)
    assert inputs.network(str(tmp_path), OnNetwork(), Workspace()).name == net.name


def test_a_running_statistic_that_is_no_number_is_named(tmp_path):
    graph = chain("1x8x8", "conv 2 3x3, batchnorm, flatten, dense 2")
    net = wrap(build(graph, seed=0), TensorSpec((1, 8, 8)), name="normed")
    net.module.get_submodule("batchnorm1").running_var[1] = torch.nan
    save(net, tmp_path)
    with pytest.raises(DataError, match="running_var"):
        inputs.network(str(tmp_path), OnNetwork(), Workspace())


def test_a_painting_network_with_nan_is_refused(tmp_path):
    net = load("adain")
    with torch.no_grad():
        next(net.module.parameters()).view(-1)[0] = torch.nan
    save(net, tmp_path / "net")
    Image.new("RGB", (80, 80), (90, 40, 200)).save(tmp_path / "photo.png")
    photo = str(tmp_path / "photo.png")
    recipe = StylizeRecipe(photo=photo, model=str(tmp_path / "net"), style=[photo])
    with pytest.raises(DataError, match="NaN"):
        list(jobs.run(recipe, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_work_that_is_done_once_is_announced(monkeypatch):
    told: list[str] = []
    workspace = Workspace(log=told.append)
    monkeypatch.setattr(WORLDS["digit"], "first_use", lambda: "Something is compiled once")
    inputs.network("digits", OnNetwork(), workspace)
    assert told == ["Something is compiled once."]
    monkeypatch.undo()
    inputs.network("digits", OnNetwork(), workspace)
    assert len(told) == 1


def test_all_parts_are_opened_where_they_are_asked_for():
    """The digits that ship: 8,000 to learn from and 2,000 to test on; one part unless all are wanted."""
    net, found = load("digits"), {}
    for all_parts in (False, True):
        recipe = SimpleNamespace(split=None, root=None)
        found[all_parts] = len(inputs.samples("digits", net, recipe, Workspace(), all_parts=all_parts))
    assert found[True] == 10_000 and found[False] in (2_000, 8_000)
    recipe = SimpleNamespace(split="test", root=None)
    assert len(inputs.samples("digits", net, recipe, Workspace(), all_parts=True)) == 2_000
