"""NASNet-A (4 @ 1056), the mobile network, which timm does not build.

Source: Zoph et al. 2018, Learning Transferable Architectures, arXiv:1707.07012; cells from timm (Apache-2.0).
"""

from jaxtyping import Float
from timm.models.nasnet import NASNetALarge
from torch import Tensor, nn

CELLS_IN_LARGE = 6
CELLS_IN_MOBILE = 4


class NASNetAMobile(nn.Module):
    """NASNet-A (4 @ 1056): stem, three rows of four normal cells, reduction cells between rows, linear head.

    Every cell reads the outputs of the two cells before it. The first cell after a reduction reads what the
    reduction read: in the mobile network that is the last normal cell, in the large one the cell before.

    Args:
        classes: outputs of the classifier.
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        large = NASNetALarge(num_classes=classes, stem_size=32, num_features=1056, pad_type="same")
        self.conv0 = large.conv0
        self.cell_stem_0 = large.cell_stem_0
        self.cell_stem_1 = large.cell_stem_1
        for row in range(3):
            if row:
                reduction = f"reduction_cell_{row - 1}"
                self.add_module(reduction, large.get_submodule(reduction))
            for cell in range(CELLS_IN_MOBILE):
                kept = large.get_submodule(f"cell_{row * CELLS_IN_LARGE + cell}")
                self.add_module(f"cell_{row * CELLS_IN_MOBILE + cell}", kept)
        self.act = large.act
        self.global_pool = large.global_pool
        self.last_linear = large.last_linear

    def forward(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b classes"]:
        """Compute the logits.

        Args:
            image: normalised images `[b 3 h w]`.

        Returns:
            Logits `[b classes]`.
        """
        stem = self.conv0(image)
        before = self.cell_stem_0(stem)
        here = self.cell_stem_1(stem, before)
        for name, cell in self.named_children():
            if "cell" in name and "stem" not in name:
                here, before = cell(here, before), here
        return self.last_linear(self.global_pool(self.act(here)))
