"""LeNet-5 written out slowly, from the paper's text (LeCun et al. 1998, II.B)."""

import numpy as np

C3 = (
    "012",
    "123",
    "234",
    "345",
    "045",
    "015",
    "0123",
    "1234",
    "2345",
    "0345",
    "0145",
    "0125",
    "0134",
    "1245",
    "0235",
    "012345",
)


def squash(x):
    return 1.7159 * np.tanh(2 / 3 * x)


def map_of(maps, kernels, bias):
    """One feature map: the sum of correlations of maps with 5x5 kernels, plus a bias."""
    height, width = maps.shape[1] - 4, maps.shape[2] - 4
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            out[y, x] = (maps[:, y : y + 5, x : x + 5] * kernels).sum() + bias
    return out


def subsample(maps, coefficients, biases):
    out = np.zeros((maps.shape[0], maps.shape[1] // 2, maps.shape[2] // 2))
    for k, y, x in np.ndindex(out.shape):
        out[k, y, x] = maps[k, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].sum() * coefficients[k] + biases[k]
    return squash(out)


def forward(image, w):
    """Distances to the ten codes.

    Args:
        image: [32, 32], background -0.1, ink 1.175.
        w: weights by name, `C1.weight` and so on.
    """
    c1 = squash(np.stack([map_of(image[None], w["C1.weight"][k], w["C1.bias"][k]) for k in range(6)]))
    s2 = subsample(c1, w["S2.weight"], w["S2.bias"])
    c3 = []
    for k, links in enumerate(C3):
        read = [int(link) for link in links]
        c3.append(map_of(s2[read], w["C3.weight"][k][read], w["C3.bias"][k]))
    s4 = subsample(squash(np.stack(c3)), w["S4.weight"], w["S4.bias"])
    c5 = squash(np.array([map_of(s4, w["C5.weight"][k], w["C5.bias"][k])[0, 0] for k in range(120)]))
    f6 = squash(w["F6.weight"] @ c5 + w["F6.bias"])
    return np.array([((f6 - code) ** 2).sum() for code in w["output.centres"]])
