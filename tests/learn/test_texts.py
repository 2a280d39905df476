"""Training on texts: rows of Adadelta, trimmed padding, batches of like length, max-norm, word vectors."""

import numpy as np
import pytest
import torch

from convscope import learn, load, nets
from convscope.errors import DataError, UsageError
from convscope.learn.batches.lengths import by_length, trimmed
from convscope.learn.optimization.adadelta import RESCALED, Adadelta
from convscope.worlds import open_sample
from convscope.worlds.text import WORDS

LINES = [f"good {word} fine film" for word in "abcdefghij"] + [
    f"bad {word} dull dull film" for word in "abcdefghij"
]
KIM = {
    "network": "kim_cnn_50",
    "optimizer": "adadelta",
    "schedule": "constant",
    "weight_decay": 0,
    "label_smoothing": 0,
    "batch": 5,
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "set.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return path


def recipe(file, **settings):
    return learn.ClassificationRecipe.parse({**KIM, "data": str(file), **settings})


@pytest.mark.parametrize("rows", [40, 1500])
def test_adadelta_takes_the_steps_of_torchs(rows):
    torch.manual_seed(0)
    start, bias = torch.randn(rows, 3), torch.randn(4)
    ours, theirs = ([start.clone().requires_grad_(), bias.clone().requires_grad_()] for _ in range(2))
    first, second = Adadelta([{"params": ours}]), torch.optim.Adadelta(theirs, rho=0.95)
    for _ in range(RESCALED + 20):
        gradient = torch.zeros(rows, 3)
        gradient[torch.randint(0, 30, (6,))] = torch.randn(6, 3) * torch.randint(0, 2, (6, 3))
        others = torch.randn(4)
        for table, vector in (ours, theirs):
            table.grad, vector.grad = gradient.clone(), others.clone()
        first.step()
        second.step()
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert torch.equal(ours[0][30:], start[30:])


def test_weight_decay_moves_the_rows_without_a_gradient_too():
    torch.manual_seed(0)
    start = torch.randn(1500, 3)
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    settings = {"rho": 0.95, "weight_decay": 0.1}
    first, second = Adadelta([{"params": [ours], **settings}]), torch.optim.Adadelta([theirs], **settings)
    for step in range(5):
        ours.grad, theirs.grad = (torch.zeros(1500, 3) for _ in range(2))
        ours.grad[step] = theirs.grad[step] = 1.0
        first.step()
        second.step()
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert not torch.equal(ours[30:], start[30:])


@pytest.mark.parametrize("name", ["kim_cnn_50", "char_cnn", "byte_cnn"])
def test_padding_that_is_cut_off_does_not_change_the_answer(name):
    net = load(name, seed=0)
    generator = torch.Generator().manual_seed(0)
    tokens = torch.zeros(8, net.input_spec.shape[0], dtype=torch.int64)
    for row in tokens:
        size = int(torch.randint(1, 20, (), generator=generator))
        row[4 : 4 + size] = torch.randint(1, 100, (size,), generator=generator)
    cut = trimmed(tokens, net)
    assert cut.shape[1] < tokens.shape[1]
    with torch.no_grad():
        assert torch.equal(net(cut), net(tokens))


def test_batches_of_like_length_hold_every_sample_once():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 60, (1003,), generator=generator)
    order = torch.randperm(1003, generator=generator)
    found = by_length(order, lengths, 10, generator)
    assert found.sort().values.tolist() == list(range(1003))
    spread = [float(lengths[part].max() - lengths[part].min()) for part in found[:1000].split(10)]
    before = [float(lengths[part].max() - lengths[part].min()) for part in order[:1000].split(10)]
    assert sum(spread) < 0.3 * sum(before)


def test_a_file_is_learned_and_words_of_the_test_part_are_not_in_the_vocabulary(file, tmp_path):
    setup = learn.setup_training(recipe(file, epochs=6))
    assert len(setup.test) == 4
    seen = {token.text for tokens in setup.train.tokens for token in tokens}
    assert set(setup.net.input_spec.vocabulary[2:]) == seen
    assert setup.test.spec.vocabulary == setup.net.input_spec.vocabulary
    assert any("not in the vocabulary" in note for note in setup.notes)
    run = learn.train(
        setup.net,
        setup.train,
        test=setup.test,
        out=tmp_path / "run",
        **{k: v for k, v in KIM.items() if k != "network"},
        epochs=6,
    )
    assert run.epochs[-1].test_metrics["accuracy"] == 1.0
    assert load(tmp_path / "run").input_spec.vocabulary == setup.net.input_spec.vocabulary


def trained(file, **settings):
    chosen = recipe(file, epochs=2, **settings)
    setup = learn.setup_training(chosen)
    before = {name: value.clone() for name, value in setup.net.module.state_dict().items()}
    for _ in learn.iter_train(setup.net, setup.train, setup.test, chosen):
        pass
    return setup.net, before


def test_max_norm_limits_each_output_and_the_vector_of_padding_stays_zero(file):
    free, _ = trained(file)
    limited, _ = trained(file, max_norm=0.01)
    norms = [net.module.get_submodule("dense").weight.detach().norm(dim=1) for net in (free, limited)]
    assert float(norms[0].min()) > 0.02
    assert float(norms[1].max()) <= 0.01 + 1e-6
    assert not limited.module.get_submodule("embedding").weight[0].any()


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "v.npz"
    words = np.array(["fine", "dull", "film", "zebra"])
    np.savez(path, vectors=np.arange(12, dtype=np.float32).reshape(4, 3) / 10, words=words)
    return path


def test_static_vectors_stay_and_non_static_ones_learn(file, vectors):
    static, before = trained(file, vectors=str(vectors), freeze=["embedding"])
    assert static.module.get_submodule("embedding").embedding_dim == 3
    at = static.input_spec.vocabulary.index("dull")
    assert static.module.get_submodule("embedding").weight[at].tolist() == pytest.approx([0.3, 0.4, 0.5])
    assert torch.equal(static.module.state_dict()["embedding.weight"], before["embedding.weight"])
    assert "zebra" in static.input_spec.vocabulary
    learned, before = trained(file, vectors=str(vectors))
    assert not torch.equal(learned.module.state_dict()["embedding.weight"], before["embedding.weight"])
    two, before = trained(file, network="kim_cnn_multichannel", vectors=str(vectors), freeze=["embedding1"])
    after = two.module.state_dict()
    assert torch.equal(after["embedding1.weight"], before["embedding1.weight"])
    assert not torch.equal(after["embedding2.weight"], before["embedding2.weight"])


def test_frozen_vectors_that_nobody_gave_are_named(file):
    notes = learn.setup_training(recipe(file, freeze=["embedding"])).notes
    assert any("--vectors" in note for note in notes)
    assert not any("--vectors" in note for note in learn.setup_training(recipe(file)).notes)


def test_vectors_for_a_network_of_something_else_are_refused(vectors):
    with pytest.raises(UsageError, match="--vectors for lecture"):
        learn.setup_training(
            learn.ClassificationRecipe.parse({"network": "lecture", "vectors": str(vectors)})
        )


def test_a_set_of_one_class_is_refused(tmp_path):
    (tmp_path / "one.txt").write_text("good fine\n" * 10, encoding="utf-8")
    setup = learn.setup_training(recipe(tmp_path / "one.txt"))
    with pytest.raises(DataError, match="two classes"):
        learn.iter_train(setup.net, setup.train, setup.test, recipe(tmp_path / "one.txt"))


def test_a_trained_network_keeps_its_vocabulary_on_other_data(file, tmp_path):
    net, _ = trained(file)
    nets.save(net, tmp_path / "net")
    other = tmp_path / "other.txt"
    other.write_text("good novel film\nbad dull novel\n" * 6, encoding="utf-8")
    setup = learn.setup_training(recipe(other, network=str(tmp_path / "net")))
    assert setup.net.input_spec.vocabulary == net.input_spec.vocabulary
    assert open_sample("novel", setup.net.input_spec).input.max() == 1
    assert WORDS.text == setup.net.input_spec.text
