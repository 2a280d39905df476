import json

import numpy as np
import pytest
import torch
from tests.learn.conftest import small_net
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from convscope import nets, worlds
from convscope.errors import DataError, UsageError
from convscope.graph.chain import chain
from convscope.graph.spec import TensorSpec
from convscope.learn import evaluate
from convscope.learn.tasks.evaluation import Evaluation, class_names
from convscope.nets import ExecutionConfig


@pytest.fixture
def found():
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
    labels = torch.tensor([0, 1, 1, 2])
    losses = -probabilities[range(4), labels].log()
    return Evaluation(("a", "b", "c"), labels, probabilities, losses)


def test_numbers_by_hand(found):
    assert found.accuracy == 0.75
    assert found.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert found.class_accuracy.tolist() == [1, 0.5, 1]
    assert found.hardest(2).tolist() == [2, 3]
    assert found.loss == pytest.approx(-np.log([0.7, 0.8, 0.3, 0.5]).mean())


def test_the_document_is_json(found):
    document = json.loads(json.dumps(found.to_json()))
    assert document["class_accuracy"] == {"a": 1, "b": 0.5, "c": 1}
    assert document["hardest"][0]["index"] == 2
    assert (document["hardest"][0]["label"], document["hardest"][0]["prediction"]) == ("b", "a")


def test_a_class_without_pictures_is_null_not_nan(found):
    empty = Evaluation(
        ("a", "b", "c", "d"), found.labels, torch.nn.functional.pad(found.probabilities, (0, 1)), found.losses
    )
    assert json.loads(json.dumps(empty.to_json(), allow_nan=False))["class_accuracy"]["d"] is None


def test_against_numpy_whatever_the_batch(test_images):
    net = small_net()
    net.module.train()
    found = evaluate(net, test_images, batch=37)
    assert net.module.training
    net.module.eval()
    with torch.no_grad():
        scores = net(test_images.images.float() / 255).double().numpy()
    shares = np.exp(scores - scores.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    labels = test_images.labels.numpy()
    losses = -np.log(shares[np.arange(len(labels)), labels])
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (labels, shares.argmax(1)), 1)
    assert np.array_equal(found.confusion.numpy(), confusion)
    assert np.allclose(found.losses.numpy(), losses, atol=1e-5)
    assert found.hardest(5).tolist() == np.argsort(-losses, kind="stable")[:5].tolist()


def test_a_loader_says_the_same(test_images):
    net = small_net()
    net = net.with_classes(test_images.classes)
    loader = DataLoader(TensorDataset(test_images.images.float() / 255, test_images.labels), batch_size=64)
    assert evaluate(net, loader).losses.tolist() == pytest.approx(
        evaluate(net, test_images).losses.tolist(), abs=1e-5
    )


def test_bytes_from_a_loader_are_scaled(test_images):
    net = small_net()
    net = net.with_classes(test_images.classes)
    loader = DataLoader(TensorDataset(test_images.images, test_images.labels), batch_size=64)
    assert evaluate(net, loader).loss == pytest.approx(evaluate(net, test_images).loss, abs=1e-5)


def test_low_precision_is_near(test_images):
    net = small_net()
    exact, rough = (
        evaluate(net, test_images),
        evaluate(net, test_images, execution=ExecutionConfig("bf16", "channels_last")),
    )
    assert rough.loss == pytest.approx(exact.loss, abs=0.02)
    assert rough.loss != exact.loss


def test_another_number_of_classes_is_told(test_images):
    graph = chain("1x28x28", "flatten, dense 5")
    net = nets.wrap(nets.build(graph, seed=0), TensorSpec((1, 28, 28)), name="five")
    with pytest.raises(UsageError, match=r"10 outputs.*five has 5"):
        evaluate(net, test_images)


def test_nothing_to_evaluate_on(test_images):
    with pytest.raises(DataError):
        evaluate(small_net(), test_images.take([]))


def test_data_without_classes_is_named():
    with pytest.raises(UsageError, match="ring/train, which has none"):
        class_names(worlds.open("ring"), nets.wrap(nn.Linear(2, 2), TensorSpec((2,))))
