"""The n-gram of largest value, by the weights of a unit, against a search through all n-grams."""

from itertools import product

import pytest
import torch

from convscope import load, nets, see
from convscope.errors import PlaceError, UsageError
from convscope.nets import with_vocabulary
from convscope.worlds.text import WORDS, fit_spec

SPEC = fit_spec(WORDS, ["a fine film", "not at all", "so dull"])


@pytest.fixture(params=["kim_cnn_50", "kim_cnn_multichannel"])
def net(request):
    return with_vocabulary(load(request.param), SPEC, embedding_dim=5, seed=3)


def all_values(net, layer, unit, width):
    words = range(2, len(SPEC.vocabulary))
    ngrams = torch.tensor(list(product(words, repeat=width)))
    lead = torch.zeros(len(ngrams), 8, dtype=torch.int64)
    tokens = torch.cat((lead, ngrams, lead), 1)
    with torch.no_grad():
        (found,) = nets.record(net, tokens, [layer]).values()
    return found[:, unit, 8], ngrams


@pytest.mark.parametrize("negative", [False, True])
def test_no_ngram_has_a_larger_value(net, negative):
    for unit in (0, 17):
        found = see.best_ngrams(net, [f"conv3:{unit}"], negative=negative)
        values, ngrams = all_values(net, "conv3", unit, 3)
        best = int(values.argmin() if negative else values.argmax())
        assert found.tokens[0].tolist() == ngrams[best].tolist()
        assert found.values[0] == pytest.approx(float(values[best]), abs=1e-5)
        assert found.ngrams[0] == tuple(SPEC.vocabulary[i] for i in ngrams[best])


def test_what_the_words_add_is_their_part_of_the_value(net):
    found = see.best_ngrams(net, ["conv4:2"], top=3)
    bias = float(net.module.get_submodule("conv4").bias.detach()[2])
    assert found.values[0] == pytest.approx(bias + sum(gains[0] for gains in found.gains[0]))
    assert all(list(gains) == sorted(gains, reverse=True) for gains in found.gains[0])


def test_what_follows_a_convolution_rises_with_it(net):
    wanted = see.best_ngrams(net, ["conv5:9"]).ngrams
    assert see.best_ngrams(net, ["relu5:9"]).ngrams == wanted
    assert see.best_ngrams(net, ["pool5:9"]).ngrams == wanted


@pytest.mark.parametrize("place", ["dense:0", "output:1", "concat:5", "embedding:2", "conv3"])
def test_units_without_a_closed_form_say_what_to_do(net, place):
    place = place.replace(
        "embedding:2", "embedding:2" if "embedding" in dict(net.module.named_modules()) else "embedding1:2"
    )
    with pytest.raises(UsageError, match="convscope unit"):
        see.best_ngrams(net, [place])


def test_other_networks_and_missing_units_are_refused(net):
    with pytest.raises(PlaceError):
        see.best_ngrams(net, ["conv3:100"])
    with pytest.raises(UsageError, match="no best text"):
        see.best_ngrams(load("lecture"), ["conv1:0"])
