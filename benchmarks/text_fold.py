"""One fold of MR: Kim's CNN trained by this package, and by the loops that everybody writes.

    python -m benchmarks text_fold

The same network, data, batch size and Adadelta. The loops pad every sentence to the longest of the set (as
Kim's code does), or every batch to its longest sentence (as torchtext's iterators do). Processor seconds of
one thread, taken in turns.
"""

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.data import DATA
from benchmarks.result import Result, Target, spread
from benchmarks.text_accuracy import fold

NEEDS = ("text",)
QUICK = os.environ.get("CONVSCOPE_BENCH") == "quick"
ROUNDS = int(os.environ.get("CONVSCOPE_ROUNDS", "1" if QUICK else "3"))
EPOCHS, BATCH, SIZE = 1, 50, 300
SAMPLES = 1000 if QUICK else None


def run() -> Result:
    import torch

    from convscope import worlds

    torch.set_num_threads(1)
    train, test = fold(worlds.open("mr", root=DATA / "text"), 0)
    if SAMPLES:
        train = train.take(list(range(0, len(train), len(train) // SAMPLES)))
    train = train.with_spec(train.spec)
    test = test.with_spec(train.spec)
    _ = train.content, test.content  # all of them get the same tokens, made before
    ways: dict[str, Callable[[Any, Any], float]] = {
        "convscope": ours,
        "loop, padded to the longest sentence of the set": lambda a, b: loop(a, b, whole=True),
        "loop, padded to the longest of each batch": lambda a, b: loop(a, b, whole=False),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    right: dict[str, list[float]] = {way: [] for way in ways}
    few = train.take(list(range(0, len(train), len(train) // 100)))
    for train_and_test in ways.values():  # what is done once in a program, such as imports, is not measured
        train_and_test(few, few)
    for _ in range(ROUNDS):
        for way, train_and_test in ways.items():
            started = time.process_time()
            right[way].append(train_and_test(train, test))
            seconds[way].append(time.process_time() - started)
    own = median(seconds["convscope"])
    rows = [
        (
            way,
            spread(seconds[way], ",.1f"),
            f"{median(seconds[way]) / own:.2f}",
            f"{100 * median(right[way]):.1f} %",
        )
        for way in ways
    ]
    others = [median(found) for way, found in seconds.items() if way != "convscope"]
    about = (
        f"{len(train):,} sentences of MR to learn from, {len(test):,} to test on, {EPOCHS} pass, vectors "
        f"of {SIZE} numbers, batches of {BATCH}, Adadelta, one thread; {ROUNDS} rounds in turns."
    )
    head = ("who", "processor seconds, median", "times ours", "right after it")
    target = Target("the fastest", f"{min(others) / own:.2f} times as fast as the next", own < min(others))
    return Result("One fold of MR", about, head, rows, {"seconds": seconds, "right": right}, [target])


def ours(train: Any, test: Any) -> float:
    """Train and test by this package."""
    from convscope import learn, nets

    values = dict(learn.find_recipe("kim-rand").values()) | {"epochs": EPOCHS, "patience": None}
    recipe = learn.ClassificationRecipe.parse({**values, "precision": "fp32", "memory_format": "contiguous"})
    net = nets.with_vocabulary(nets.load("kim_cnn"), train.spec, train.classes, embedding_dim=SIZE, seed=0)
    for _ in learn.iter_train(net, train, None, recipe):
        pass
    return learn.evaluate(net, test).accuracy


def loop(train: Any, test: Any, *, whole: bool) -> float:
    """Train and test by the common loop of torch."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(0)

    class TextCNN(nn.Module):
        def __init__(self, words: int, size: int) -> None:
            super().__init__()
            self.embedding = nn.Embedding(words, size, padding_idx=0)
            self.convs = nn.ModuleList(nn.Conv1d(size, 100, width) for width in (3, 4, 5))
            self.dropout, self.dense = nn.Dropout(0.5), nn.Linear(300, 2)

        def forward(self, tokens: Any) -> Any:
            x = self.embedding(tokens).transpose(1, 2)
            found = [functional.relu(conv(x)) for conv in self.convs]
            pooled = [functional.max_pool1d(one, one.shape[2]).squeeze(2) for one in found]
            return self.dense(self.dropout(torch.cat(pooled, 1)))

    def collate(rows: list[tuple[Any, Any]]) -> tuple[Any, Any]:
        tokens, labels = (torch.stack(column) for column in zip(*rows, strict=True))
        longest = tokens.shape[1] if whole else int((tokens != 0).any(0).nonzero()[-1]) + 5
        return tokens[:, :longest], labels

    def loader(data: Any, *, shuffle: bool) -> Any:
        pairs = torch.utils.data.TensorDataset(data.content, data.labels)
        return torch.utils.data.DataLoader(pairs, BATCH, shuffle=shuffle, collate_fn=collate)

    net = TextCNN(len(train.spec.vocabulary), SIZE)
    optimizer = torch.optim.Adadelta(net.parameters(), rho=0.95)
    net.train()
    for _ in range(EPOCHS):
        for tokens, labels in loader(train, shuffle=True):
            optimizer.zero_grad()
            functional.cross_entropy(net(tokens), labels).backward()
            optimizer.step()
            with torch.no_grad():
                net.dense.weight.copy_(net.dense.weight.renorm(2, 0, 3.0))
    net.eval()
    with torch.no_grad():
        right = sum(int((net(x).argmax(1) == y).sum()) for x, y in loader(test, shuffle=False))
    return right / len(test)
