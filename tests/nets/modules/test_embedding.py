"""Embeddings, and the maximum over time, against slow loops and torch's own."""

import torch

from convscope.nets.modules.worlds.embedding import Embedding, MaxOverTime


def test_embedding_is_torchs_with_channels_first():
    torch.manual_seed(0)
    ours = Embedding(4, 9)
    theirs = torch.nn.Embedding.from_pretrained(ours.weight.detach(), padding_idx=0)
    tokens = torch.randint(0, 9, (3, 6))
    assert torch.equal(ours(tokens), theirs(tokens).transpose(1, 2))


def test_fresh_vectors_are_kims_and_that_of_padding_is_zero():
    weight = Embedding(50, 400).weight.detach()
    assert not weight[0].any()
    assert 0.24 < float(weight.abs().max()) <= 0.25


def test_padding_gets_no_gradient_whatever_reads_it():
    embedding = Embedding(4, 9)
    embedding(torch.tensor([[0, 3, 0, 5]])).exp().sum().backward()
    assert embedding.weight.grad is not None
    assert not embedding.weight.grad[0].any()
    assert embedding.weight.grad[3].any()


def slow(maps, tokens, kernel, stride, padding):
    found = torch.zeros(len(maps), maps.shape[1])
    for row in range(len(maps)):
        for channel in range(maps.shape[1]):
            held = []
            for at in range(maps.shape[2]):
                window = range(at * stride - padding, at * stride - padding + kernel)
                if any(0 <= k < tokens.shape[1] and tokens[row, k] != 0 for k in window):
                    held.append(float(maps[row, channel, at]))
            found[row, channel] = max(held) if held else 0.0
    return found


def test_maximum_over_time_leaves_out_windows_of_padding():
    torch.manual_seed(1)
    for kernel, stride, padding, length in ((3, 1, 0, 6), (1, 1, 0, 8), (4, 2, 1, 4)):
        tokens = torch.randint(0, 2, (20, 8)) * torch.randint(0, 2, (20, 1))
        maps = torch.randn(20, 3, length)
        found = MaxOverTime(kernel, stride, padding)(maps, tokens)
        assert torch.equal(found, slow(maps, tokens, kernel, stride, padding))


def test_padding_with_the_largest_value_is_never_the_maximum():
    maps = torch.tensor([[[1.0, 2.0, 99.0]]])
    assert MaxOverTime(2)(maps, torch.tensor([[5, 5, 0, 0]])).item() == 2.0
