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


def difference_interval(
    first: tuple[int, int], second: tuple[int, int], *, together: int = 1
) -> tuple[float, float]:
    """Compute the 95% interval of the difference of two shares that were counted in independent samples.

    It is made of the two score intervals (Newcombe's method 10, without correction for continuity).

    Args:
        first: number of successes, and of trials.
        second: number of successes, and of trials, which is subtracted.
        together: number of intervals that shall all hold with 95%, by Bonferroni's correction.

    Returns:
        Lower and upper end, -1 to 1; without 0 in between the shares differ by more than chance.

    Source: Newcombe, "Interval estimation for the difference between independent proportions", Statistics in
        Medicine 17, 1998.
    """
    (a, b), (a_low, a_high), (b_low, b_high) = (
        (first[0] / first[1], second[0] / second[1]),
        wilson_interval(*first, together=together),
        wilson_interval(*second, together=together),
    )
    return a - b - sqrt((a - a_low) ** 2 + (b_high - b) ** 2), a - b + sqrt(
        (a_high - a) ** 2 + (b - b_low) ** 2
    )


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
