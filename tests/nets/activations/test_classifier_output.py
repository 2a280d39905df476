"""How a classifier's output is read: as declared, else as its numbers look."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from convscope import nets
from convscope.errors import UsageError
from convscope.graph.spec import OutputSpec, TensorSpec
from convscope.nets.activations.classifier_output import read_output, select_output

ROWS = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])


class Heads(nn.Module):
    def forward(self, x):
        return {"boxes": x.flatten(1)[:, :2], "scores": {"main": x[:, :3], "aux": x[:, :3]}}


def net(kind="", name=""):
    return nets.wrap(Heads(), TensorSpec((3,)), output=OutputSpec(kind, ("a", "b", "c"), name))


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("", ROWS.log()),
        ("probabilities", ROWS.log()),
        ("logits", functional.log_softmax(ROWS, 1)),
        ("log_probabilities", functional.log_softmax(ROWS, 1)),
    ],
)
def test_what_is_declared_counts_before_what_it_looks_like(kind, wanted):
    output = read_output(net(kind), ROWS)
    assert output is not None
    assert torch.allclose(output.log_probabilities(), wanted)
    assert output.values is ROWS


def test_logits_are_told_from_probabilities_by_their_sums():
    output = read_output(net(), 2 * ROWS)
    assert output is not None
    assert output.kind == "logits"


def test_an_output_is_found_by_its_name():
    x = torch.rand(2, 3)
    assert select_output(net(), Heads()(x)).shape == (2, 2)  # pyright: ignore  # the first one
    assert select_output(net(name="scores"), Heads()(x)).shape == (2, 3)  # pyright: ignore
    assert select_output(net(name="scores.aux"), Heads()(x)).shape == (2, 3)  # pyright: ignore
    assert select_output(net(name="1"), (x, x[:, :1])).shape == (2, 1)  # pyright: ignore
    with pytest.raises(UsageError, match="an output masks"):
        select_output(net(name="masks"), Heads()(x))


@pytest.mark.parametrize("result", [torch.rand(2), torch.rand(2, 3, 4), None, "text", {}])
def test_what_is_no_row_of_scores_is_none(result):
    assert read_output(net(), result) is None


def test_what_is_declared_to_be_no_scores_is_none():
    assert read_output(net("embedding"), ROWS) is None
