"""The comparison of methods on a network whose answer is known: it looks at one corner alone."""

import torch
from torch import nn

from convscope.graph.spec import TensorSpec
from convscope.nets import wrap
from convscope.see.attribution import compare_methods, explain
from convscope.see.attribution.comparison import RANDOM
from convscope.see.attribution.metrics.deletion_insertion import curves, random_heatmaps


class Corner(nn.Module):
    """Class 1 if the top left quarter is bright, whatever is elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(30.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = self.scale * (x[:, 0, :8, :8].mean((1, 2)) - 0.5)
        return torch.stack([torch.zeros_like(bright), bright], 1)


def test_occlusion_finds_the_corner_and_is_above_chance() -> None:
    torch.manual_seed(0)
    net = wrap(Corner(), TensorSpec((1, 16, 16)), ("dark", "bright"))
    image = torch.rand(1, 16, 16) * 0.3
    image[:, 2:6, 2:6] = 1.0
    image[:, :8, :8] += 0.35
    image.clamp_(0, 1)
    made = [explain(net, image, "occlusion", 1, checks=("deletion",), window=4, stride=2)]
    (found,) = compare_methods(made)
    for baseline, (score,) in found.scores.items():
        (line,) = curves(made[0].task, made[0].heatmaps, baseline)
        assert abs(score - (line.insertion_area - line.deletion_area)) < 1e-6
        assert line.baseline == baseline
    assert found.alike == ((1.0,),) or abs(found.alike[0][0] - 1) < 1e-5
    assert found.stays == (None,)


def test_chance_of_cards_and_table_are_of_the_same_random_maps() -> None:
    """Computed anew, map by map: mean areas, their difference, and a margin of two standard deviations."""
    torch.manual_seed(1)
    net = wrap(Corner(), TensorSpec((1, 16, 16)), ("dark", "bright"))
    made = [explain(net, torch.rand(1, 16, 16), "occlusion", 1, checks=("deletion",), window=4, stride=2)]
    (found,) = compare_methods(made)
    lines = [curves(made[0].task, random_heatmaps(made[0].task, seed))[0] for seed in range(RANDOM)]
    insertion = torch.tensor([line.insertion_area for line in lines], dtype=torch.float64)
    deletion = torch.tensor([line.deletion_area for line in lines], dtype=torch.float64)
    areas, first = found.chance_areas, next(iter(found.scores))
    assert abs(areas[0] - insertion.mean()) < 1e-6 and abs(areas[1] - deletion.mean()) < 1e-6
    assert abs(found.chance[first] - (areas[0] - areas[1])) < 1e-9
    assert abs(found.margin[first] - 2 * (insertion - deletion).std()) < 1e-6


def test_without_curves_nothing_is_compared() -> None:
    net = wrap(Corner(), TensorSpec((1, 16, 16)), ("dark", "bright"))
    assert compare_methods([explain(net, torch.rand(1, 16, 16), "saliency", 1)]) == ()
