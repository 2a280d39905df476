import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convscope.errors import PlaceError
from convscope.nets import LayerAddress

names = st.from_regex(r"[A-Za-z_][\w.\-]{0,12}", fullmatch=True)
parts = st.fixed_dictionaries(
    {
        "layer": names,
        "call": st.none() | st.integers(1, 99),
        "key": st.none() | st.from_regex(r"[\w.]{1,8}", fullmatch=True),
        "unit": st.none() | st.integers(0, 5000) | st.sampled_from(["tench", "great white shark", "a, b"]),
        "position": st.none()
        | st.tuples(st.integers(0, 999))
        | st.tuples(st.integers(0, 9), st.integers(0, 9)),
    }
)


@given(parts)
def test_text_brings_it_back(parts):
    place = LayerAddress(**parts)
    assert LayerAddress.parse(str(place)) == place
    assert LayerAddress.parse(place) is place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("conv2", LayerAddress("conv2")),
        ("layer3.0.conv2:17@5,5", LayerAddress("layer3.0.conv2", unit=17, position=(5, 5))),
        ("relu#2", LayerAddress("relu", call=2)),
        ("encoder[hidden]:3", LayerAddress("encoder", key="hidden", unit=3)),
        ("output:tench", LayerAddress("output", unit="tench")),
        ("conv@7", LayerAddress("conv", position=(7,))),
        ("a#3[b.0]:1@2,3", LayerAddress("a", 3, "b.0", 1, (2, 3))),
    ],
)
def test_addresses_of_the_design(text, place):
    assert LayerAddress.parse(text) == place
    assert str(place) == text


@pytest.mark.parametrize(
    "text", ["", ":", "a:", "a@", "a@1;2", "#1", "a#0", "a#x", "a[", "a[]", "a b", "a@-1", "a@1,"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(PlaceError, match="received"):
        LayerAddress.parse(text)


def test_selection_keeps_the_batch_axis():
    act = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    assert LayerAddress("l").select(act) is act
    assert torch.equal(LayerAddress("l", unit=1).select(act), act[:, 1])
    assert torch.equal(LayerAddress("l", position=(3, 2)).select(act), act[:, :, 3, 2])
    assert torch.equal(LayerAddress("l", unit=2, position=(0, 4)).select(act), act[:, 2, 0, 4])
