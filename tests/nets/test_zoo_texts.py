"""Networks of texts: Kim's parameters, vocabularies, word vectors, and the same networks of vectors."""

from dataclasses import replace

import pytest
import torch
from benchmarks.data import DATA

from convscope import load, nets, save, use, wrap
from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import FromVectors, describe, embeddings, from_vectors, set_vectors, with_vocabulary
from convscope.worlds import open_sample
from convscope.worlds.text import CHARACTERS, WORDS, fit_spec

TEXTS = ["a fine film", "not a fine film at all , sadly", "dull"]
SPEC = fit_spec(WORDS, TEXTS)


def small(name: str = "kim_cnn_50", seed: int = 0) -> nets.Net:
    return with_vocabulary(load(name), SPEC, ("bad", "good"), embedding_dim=6, seed=seed)


def test_kims_network_has_the_parameters_of_the_paper():
    found = {layer.name: layer.parameters for layer in describe(load("kim_cnn")).layers}
    assert found["conv3"] + found["conv4"] + found["conv5"] == 360_300
    assert found["dense"] == 602
    assert found["embedding"] == (18_765 + 2) * 300


def test_a_branch_is_the_convolution_and_the_maximum_that_a_loop_computes():
    net = small()
    sample = open_sample("not a fine film", SPEC)
    words = [0] * 4 + sample.input.tolist()[4:8] + [0] * 4
    module = net.module
    vectors, weight, bias = (
        module.get_submodule("embedding").weight,
        module.get_submodule("conv4").weight,
        module.get_submodule("conv4").bias,
    )
    best = torch.full((100,), -torch.inf)
    for first in range(len(words) - 3):
        window = words[first : first + 4]
        if any(window):
            value = bias + sum(weight[:, :, j] @ vectors[word] for j, word in enumerate(window))
            best = torch.maximum(best, value.relu())
    with torch.no_grad():
        found = nets.record(net, sample.input[None], ["pool4"])
    assert torch.allclose(next(iter(found.values()))[0], best, atol=1e-6)


def test_padding_of_any_length_gives_the_same_answer():
    net = small()
    sample = open_sample("a fine film", SPEC).input
    longer = torch.cat((sample, torch.zeros(30, dtype=torch.int64)))
    with torch.no_grad():
        assert torch.equal(net(sample[None]), net(longer[None]))


def test_two_channels_are_one_filter_over_the_sum_of_their_vectors():
    net = small("kim_cnn_multichannel")
    one = small()
    first, second = (part.weight.detach() for _, part in embeddings(net.module))
    state = {k.replace("embedding1", "embedding"): v for k, v in net.module.state_dict().items()}
    del state["embedding2.weight"]
    state["embedding.weight"] = first + second
    one.module.load_state_dict(state)
    tokens = open_sample("not a fine film", SPEC).input[None]
    with torch.no_grad():
        assert torch.allclose(net(tokens), one(tokens), atol=1e-6)


@pytest.mark.parametrize("name", ["kim_cnn_50", "char_cnn", "byte_cnn"])
def test_a_network_gets_vocabulary_classes_and_length_and_is_saved_with_them(name, tmp_path):
    net = load(name)
    spec = fit_spec(net.input_spec, ["好", "很好", "a"])
    made = with_vocabulary(net, spec, ("a", "b", "c"), seed=1)
    save(made, tmp_path / "net")
    again = load(tmp_path / "net")
    assert again.input_spec.vocabulary == spec.vocabulary
    assert again.input_spec.text == net.input_spec.text
    text = "a" if name == "kim_cnn_50" else "很好"
    tokens = open_sample(text, again.input_spec).input[None]
    assert again(tokens).shape == (1, 3)
    assert torch.equal(again(tokens), made(tokens))
    assert again.classes == ("a", "b", "c")


def test_the_unknown_token_and_padding_begin_with_zeros():
    for _, part in embeddings(small().module):
        assert not part.weight[:2].any()
        assert part.weight[2:].all(1).all()


def test_only_networks_with_an_embedding_get_a_vocabulary():
    with pytest.raises(UsageError, match="embedding"):
        with_vocabulary(load("lecture"), SPEC)


def test_vectors_go_to_their_words_also_in_lower_case():
    spec = fit_spec(replace(WORDS, text=replace(WORDS.text, cleaning="trec")), ["fine Film"])
    net = with_vocabulary(load("kim_cnn_50"), spec, embedding_dim=2, seed=0)
    before = net.module.get_submodule("embedding").weight.detach().clone()
    assert set_vectors(net, ["film", "other"], torch.tensor([[1.0, 2.0], [3.0, 4.0]])) == 1
    after = net.module.get_submodule("embedding").weight.detach()
    at = spec.vocabulary.index("Film")
    assert after[at].tolist() == [1.0, 2.0]
    changed = (after != before).any(1).nonzero().flatten().tolist()
    assert changed == [at]
    with pytest.raises(UsageError, match="vectors as long"):
        set_vectors(net, ["film"], torch.ones(1, 3))


@pytest.mark.parametrize("name", ["kim_cnn_50", "kim_cnn_multichannel"])
def test_a_network_of_vectors_gives_the_answer_of_that_of_tokens(name):
    net = small(name)
    tokens = torch.stack([open_sample(text, SPEC).input for text in ("a fine film", "dull")])
    made, vectors, inside = from_vectors(net, tokens)
    assert isinstance(made.module, FromVectors)
    assert vectors.shape[2] == inside.shape[1] == 3
    with torch.no_grad():
        assert torch.equal(made(vectors, inside), net(tokens))
    given = vectors.clone().requires_grad_()
    made(given, inside)[:, 0].sum().backward()
    assert given.grad is not None
    assert given.grad.any()
    assert not embeddings(net.module)[0][1]._forward_hooks


def test_a_network_of_vectors_needs_an_embedding_of_this_package():
    spec = TensorSpec((4,), "text", "t", "int64")
    with pytest.raises(UsageError, match="none of this package"):
        from_vectors(wrap(torch.nn.Embedding(5, 2), spec), torch.ones(1, 4, dtype=torch.int64))


def test_characters_have_room_for_a_single_one():
    spec = fit_spec(load("char_cnn").input_spec, ["好"])
    net = with_vocabulary(load("char_cnn"), spec, seed=0)
    assert net(open_sample("好", spec).input[None]).shape == (1, 2)
    assert CHARACTERS.text.tokens == spec.text.tokens


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("你明天有空吗", "question"),
        ("他去北京了", "statement"),
        ("谁在那儿", "question"),
        ("What are you doing", "question"),
        ("I like this film", "statement"),
    ],
)
def test_the_network_that_ships_tells_questions_from_statements(text, answer):
    assert use.classify(load("questions"), text).label == answer


@pytest.mark.slow
def test_the_network_that_ships_is_as_good_as_its_note_says():
    from scripts.train_questions import FILE, sentences

    path = DATA / "tatoeba_en_zh" / FILE
    if not path.exists():
        pytest.skip("no sentence pairs of Tatoeba (CONVSCOPE_TEST_DATA)")
    net, (_, tested) = load("questions"), sentences(path)
    rows = torch.stack([open_sample(text, net.input_spec).input for text, _ in tested])
    with torch.no_grad():
        found = torch.cat([net(part).argmax(1) for part in rows.split(500)])
    right = float((found == torch.tensor([label for _, label in tested])).float().mean())
    assert f"{right:.2%} are right" in net.source.note
