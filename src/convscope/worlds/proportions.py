"""How far a counted share can be trusted: intervals, and the probability of a count by chance."""

from math import comb, sqrt
from statistics import NormalDist


def wilson_interval(right: int, total: int, *, together: int = 1) -> tuple[float, float]:
    """Compute the 95% score interval of a share that was counted.

    Args:
        right: number of successes.
        total: number of trials; at least one.
        together: number of intervals that shall all hold with 95%, by Bonferroni's correction.

    Returns:
        Lower and upper end, 0 to 1.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    z = NormalDist().inv_cdf(1 - 0.025 / together)
    share, spread = right / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def binomial_tail(least: int, trials: int, share: float) -> float:
    """Return the probability of at least so many successes.

    Args:
        least: number of successes.
        trials: number of independent trials.
        share: probability of success in each, 0 to 1.

    Returns:
        The probability, 0 to 1.
    """
    return sum(comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(least, trials + 1))
