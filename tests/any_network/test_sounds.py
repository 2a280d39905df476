"""Every verb of see on networks that hear: spectrograms, raw waveforms, recurrence."""

import pytest
import torch
from tests.any_network.untouched import untouched
from tests.any_network.verbs import VERBS

from convscope.errors import UsageError
from convscope.nets import load

torch.set_num_threads(1)
SHORT = ("gradcam", "integrated", "occlusion")
"""Methods of explaining that take any of these networks."""
REFUSED = {"dream"}
"""Verbs that are for images."""


@pytest.mark.parametrize("name", ["sound-frequency", "sound-square", "sound-waveform", "cldnn"])
def test_every_verb_works_and_leaves_no_trace(name: str) -> None:
    net = load(name, weights=None, seed=0)
    for label, verb in VERBS.items():
        with untouched(net.module):
            try:
                verb(net, SHORT) if label == "explain" else verb(net)
            except UsageError:
                if label not in REFUSED:
                    raise
            except Exception as error:
                error.add_note(f"{label} of {name}")
                raise
