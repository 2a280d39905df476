"""Networks are refused when a weight is no number, and only then."""

import pytest
import torch

from convscope.cli.core import inputs
from convscope.cli.core.shell import Shell
from convscope.errors import DataError
from convscope.nets import load, save
from convscope.recipe import OnNetwork


@pytest.mark.parametrize("values", [[torch.nan], [torch.inf], [torch.inf, -torch.inf]])
def test_a_weight_that_is_no_number_is_named(tmp_path, values):
    net = load("digits")
    name, weight = list(net.module.named_parameters())[2]
    with torch.no_grad():
        weight.view(-1)[: len(values)] = torch.tensor(values)
    save(net, tmp_path)
    with pytest.raises(DataError, match=name):
        inputs.network(str(tmp_path), OnNetwork(), Shell(quiet=True))


def test_numbers_whose_sum_overflows_are_numbers(tmp_path):
    net = load("digits")
    with torch.no_grad():
        next(net.module.parameters()).fill_(3e38)
    save(net, tmp_path)
    assert inputs.network(str(tmp_path), OnNetwork(), Shell(quiet=True)).name == net.name
