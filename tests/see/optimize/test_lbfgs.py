"""L-BFGS against closed forms and torch's own."""

import pytest
import torch

from convscope.see.optimize.lbfgs import LBFGS


def moved(function, start, steps, *, project=None, rate=0.1):
    """Losses `[steps b]` on the way, and the optimizer."""
    parameters = start.clone().requires_grad_()
    optimizer, losses = LBFGS([parameters]), []
    for _ in range(steps):
        loss = function(parameters)
        (gradient,) = torch.autograd.grad(loss.sum(), parameters)
        losses.append(loss.detach())
        with torch.no_grad():
            optimizer.step([gradient], rate, loss.detach())
            if project is not None:
                project(parameters)
    return torch.stack(losses), optimizer


def rosenbrock(x):
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(1)


def test_a_quadratic_is_solved_exactly():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(8, 8, generator=generator, dtype=torch.float64)
    matrix = root @ root.T + 0.5 * torch.eye(8, dtype=torch.float64)
    target = torch.randn(8, generator=generator, dtype=torch.float64)

    def function(x):
        return 0.5 * torch.einsum("bi,ij,bj->b", x, matrix, x) - x @ target

    _, optimizer = moved(function, torch.zeros(1, 8, dtype=torch.float64), 60)
    torch.testing.assert_close(optimizer.best[0][0], torch.linalg.solve(matrix, target), rtol=1e-6, atol=1e-7)


def test_a_curved_valley_as_fast_as_torchs_with_a_line_search():
    start = torch.full((1, 6), -1.0, dtype=torch.float64)
    losses, _ = moved(rosenbrock, start, 200, rate=0.01)
    theirs, looks = start.clone().requires_grad_(), []
    optimizer = torch.optim.LBFGS([theirs], max_iter=200, line_search_fn="strong_wolfe", history_size=10)

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(theirs).sum()
        loss.backward()
        looks.append(loss.item())
        return loss

    optimizer.step(closure)
    needed = next(i for i, loss in enumerate(losses[:, 0]) if loss < 1e-6)
    assert needed < 2 * next(i for i, loss in enumerate(looks) if loss < 1e-6)


def test_images_do_not_know_of_each_other():
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    together, _ = moved(rosenbrock, start, 40)
    for i in range(3):
        alone, _ = moved(rosenbrock, start[i : i + 1], 40)
        torch.testing.assert_close(together[:, i], alone[:, 0], rtol=1e-4, atol=1e-8)


def test_the_best_place_never_gets_worse():
    best = float("inf")
    parameters = torch.full((1, 6), -1.0, requires_grad=True)
    optimizer = LBFGS([parameters])
    for _ in range(50):
        loss = rosenbrock(parameters)
        (gradient,) = torch.autograd.grad(loss.sum(), parameters)
        with torch.no_grad():
            optimizer.step([gradient], 0.5, loss.detach())
        assert optimizer.best[1].item() <= best
        best = optimizer.best[1].item()


def test_bounds_are_reached_not_crossed():
    def function(x):
        return ((x - torch.tensor([2.0, 0.25, -3.0])) ** 2 * torch.tensor([1.0, 40.0, 5.0])).sum(1)

    _, optimizer = moved(function, torch.full((1, 3), 0.5), 60, project=lambda x: x.clamp_(0, 1))
    assert optimizer.best[0][0].tolist() == pytest.approx([1, 0.25, 0], abs=1e-3)
