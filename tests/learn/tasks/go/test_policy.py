"""Training on Go records: symmetries with their moves, baselines, metrics, a run that learns."""

import itertools
import random

import numpy as np
import pytest
import torch

from convscope import nets
from convscope.errors import UsageError
from convscope.graph import chain
from convscope.graph.spec import GO, TensorSpec
from convscope.learn import train
from convscope.learn.tasks.go.baselines import TopMoves, measure_baselines
from convscope.learn.tasks.go.policy import GoPolicy, MovesAndOutcomes, split_outputs, turned
from convscope.learn.tasks.go.recipe import GoRecipe
from convscope.learn.tasks.go.setup import setup_from_recipe
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.zoo.worlds.go.policy import fully_connected
from convscope.worlds import Batch
from convscope.worlds.go import GameRecord, GameRecords, GoPositions, symmetry
from convscope.worlds.go.records.tables import flat_moves


def answering_games(count, seed=0):
    """Games on 5x5 in which white always answers to the right of black's stone, and wins."""
    draw, found = random.Random(seed), []
    for _ in range(count):
        cells = [(y, x) for y in range(5) for x in (0, 2)]
        draw.shuffle(cells)
        letters = "".join(f"{chr(97 + x)}{chr(97 + y)}{chr(98 + x)}{chr(97 + y)}" for y, x in cells[:4])
        found.append(GameRecord(5, flat_moves(letters, 5), 0.5, 2))
    return GameRecords.of(found, "answers")


def test_moves_turn_with_their_boards():
    data = GoPositions(answering_games(4), ("own", "opponent", "empty"))
    batch = MovesAndOutcomes(data).batch(torch.arange(16))
    for number in range(8):
        found = turned(batch, torch.full((16,), number))
        for k in range(16):
            board = torch.zeros(25)
            board[batch.targets["move"][k]] = 1
            expected = symmetry.apply(board.view(5, 5), number).flatten().argmax()
            assert found.targets["move"][k] == expected
            assert torch.equal(found.inputs[0][k], symmetry.apply(batch.inputs[0][k], number))
            assert found.inputs[0][k, 2].flatten()[expected] == 1, "the move is on an empty point"
    assert torch.equal(batch.inputs[0], data.batch(torch.arange(16)).inputs[0]), "the batch is left as it was"


def test_shares_of_first_moves_by_hand():
    scores = torch.tensor([[0.0, 3, 2, 1, 5, 4, 6], [6.0, 5, 4, 3, 2, 1, 0]])
    assert TopMoves.of(scores, torch.tensor([6, 4])) == TopMoves(0.5, 1.0)
    assert TopMoves.of(scores, torch.tensor([3, 5])) == TopMoves(0.0, 0.0)


def test_baselines_find_what_is_there():
    train_part, test_part = answering_games(60).split(0.3, 1)
    found = measure_baselines(GoPositions(train_part), GoPositions(test_part), 0)
    near, frequent = found["near the last move"], found["most frequent point"]
    assert near.top1 >= 0.5, "white's answers are all at one displacement"
    assert frequent.top1 < near.top1
    assert found["linear 3x3"].top1 > frequent.top1


def test_baselines_by_hand():
    """B3 is played most, then D5; the commonest step is one to the right, then one down."""

    def positions(*games):
        return GoPositions(GameRecords.of([GameRecord(5, flat_moves(moves, 5)) for moves in games]))

    learned, tested = positions("bccccddddeee", "bcda", "dabc"), positions("bcda", "dccccd")
    at_first, after_b3, beside_d3 = (measure_baselines(learned, tested.take([k]), 0) for k in (0, 1, 4))
    assert at_first["most frequent point"].top1 == 1
    assert at_first["near the last move"].top1 == 1, "before the first move, the most frequent point"
    assert after_b3["most frequent point"].top1 == 1, "B3 is taken"
    assert beside_d3["near the last move"].top1 == 1, "D3, to the right of C3, is taken"


def test_losses_by_hand():
    task, net = GoPolicy(2.0), nets.load("go-residual-9x9", seed=0)
    games = GameRecords.of(
        [GameRecord(9, flat_moves("eeccggcg", 9), 0.5, 1), GameRecord(9, flat_moves("cc", 9))]
    )
    data = GoPositions(games)
    task.prepare(net, data, GoRecipe())
    batch = MovesAndOutcomes(data).batch(torch.arange(5))
    assert batch.targets["value"].tolist() == [1, -1, 1, -1, 0]
    net.module.eval()
    with torch.no_grad():
        found = task.training_step(net, batch, ExecutionConfig(), 0)
        logits, value = split_outputs(net(batch.inputs[0]))
    entropy = -logits.log_softmax(1)[torch.arange(5), batch.targets["move"]]
    assert value is not None
    error = (value[:4, 0] - batch.targets["value"][:4]).square().mean()
    assert found.loss.item() == pytest.approx(float(entropy.mean() + 2 * error), rel=1e-5)
    sums = found.sums.tolist()
    assert sums[0] == pytest.approx(float(entropy.sum()), rel=1e-5)
    assert sums[1] == (logits.argmax(1) == batch.targets["move"]).sum()
    places = (logits > logits.gather(1, batch.targets["move"][:, None])).sum(1)
    assert sums[2] == (places < 5).sum()
    right = (value[:4, 0].sign() == batch.targets["value"][:4]).double().mean()
    assert sums[4] == pytest.approx(float(right) * 5) and 0 < right < 1
    assert sums[3] == pytest.approx(float(error) * 5, rel=1e-5)


def test_a_chain_without_a_value_learns_the_answers(tmp_path):
    """White's answers can be learned, black's random moves cannot: about half the moves are right."""
    spec = TensorSpec((20, 5, 5), kind=GO)
    text = "conv 16 3x3 padding=1, relu, conv 1 1x1 bias=false, positionbias, flatten"
    net = nets.wrap(nets.build(chain("20x5x5", text), seed=0), spec, name="chain")
    learned, tested = answering_games(120).split(0.2, 1)
    plain = {"precision": "fp32", "memory_format": "contiguous", "epochs": 6, "batch": 32, "lr": 0.01}
    parts = GoPositions(learned), GoPositions(tested)
    found = train(net, parts[0], test=parts[1], task="go", symmetries=False, out=tmp_path / "run", **plain)
    metrics = found.epochs[-1].test_metrics
    assert metrics["top1"] > 0.5
    assert "value_error" not in metrics


def test_no_game_is_on_both_sides():
    setup = setup_from_recipe(GoRecipe(validation_split=0.2, samples=500))
    parts = [
        {part.games.moves[a:b].tobytes() for a, b in itertools.pairwise(part.games.starts)}
        for part in (setup.train, setup.test, setup.validation)
    ]
    assert all(parts) and not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert len(setup.train) == 500
    again = setup_from_recipe(GoRecipe(seed=9))
    assert torch.equal(again.test.labels, setup.test.labels), "every training is tested on the same positions"
    assert "games to learn from" in setup.notes[0]


def test_wrong_data_and_sizes_are_refused():
    net, planes = nets.load("go-residual-9x9"), ("own", "opponent", "empty")
    other = nets.wrap(nets.build(fully_connected(5), seed=0), TensorSpec((3, 5, 5), kind=GO))
    games = GameRecords.of([GameRecord(5, flat_moves("aabb", 5))])
    GoPolicy().prepare(other, GoPositions(games, planes), GoRecipe())
    short = nets.wrap(nets.build(chain("3x5x5", "flatten, dense 24"), seed=0), TensorSpec((3, 5, 5), kind=GO))
    with pytest.raises(UsageError, match="each of 25 points"):
        GoPolicy().prepare(short, GoPositions(games, planes), GoRecipe())
    with pytest.raises(UsageError, match="positions"):
        GoPolicy().prepare(net, Batch((torch.zeros(1),)), None)
    with pytest.raises(UsageError, match="9x9"):
        setup_from_recipe(GoRecipe(network="go-residual-19x19"))


def test_planes_of_a_chain_can_be_named():
    network = "conv 4 3x3 padding=1, conv 1 1x1 bias=false, flatten"
    setup = setup_from_recipe(GoRecipe(network=network, planes=("own", "age1"), samples=9))
    assert setup.net.input_spec.vocabulary == ("own", "age1")
    assert setup.train.inputs([0]).shape == (1, 2, 9, 9)
    assert np.isin(setup.train.encoded([0, 1]), (0, 1)).all()
