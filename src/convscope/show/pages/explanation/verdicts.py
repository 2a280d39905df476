"""The comparison of attribution methods in plain sentences: which the metrics favour, and by which number."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from convscope.see.attribution import Explanation, MethodComparison
from convscope.show.pages.explanation import text
from convscope.show.pages.explanation.text import said
from convscope.show.report.i18n import LANGUAGES, Text

ALIKE = 0.5
"""Rank correlation on a coarse grid from which on two heatmaps count as alike."""


def order(
    explanations: Sequence[Explanation], row: int = 0, comparison: MethodComparison | None = None
) -> list[int]:
    """Sort methods: the best supported, those that pass, the others; each by its mean score.

    The first is the one whose map the sentences describe, in the terminal and on the page.

    Args:
        explanations: of the same examples, by different methods; at least one.
        row: index of the example.
        comparison: of this row; without it the first is the one with the largest difference of insertion and
            deletion area, and the others stay as they are.

    Returns:
        Indices of the explanations.
    """
    if comparison is None:
        first = explanations.index(text.best(explanations, row))
        return [first, *(k for k in range(len(explanations)) if k != first)]
    leading, passing = set(comparison.best), set(comparison.passing)
    return sorted(
        range(len(explanations)), key=lambda k: (k not in leading, k not in passing, -comparison.score(k))
    )


def verdict(comparison: MethodComparison | None, titles: Mapping[str, str], count: int) -> Text:
    """State which method's heatmap the metrics favour, or why none can be named.

    Args:
        comparison: of one row; None without metrics.
        titles: titles of the methods by name.
        count: number of methods.

    Returns:
        One sentence in every language.
    """
    if comparison is None:
        return said("verdict.unchecked", count=count)
    best = comparison.best
    names = _listed([titles[comparison.methods[k]] for k in best])
    if not best:
        return said("verdict.none", count=count)
    if len(best) == 1:
        return said("verdict.one", names=names)
    pair = _least_alike(comparison, best)
    agree = comparison.alike[pair[0]][pair[1]] >= ALIKE
    return said("verdict.agree" if agree else "verdict.several", names=names)


def state(comparison: MethodComparison, k: int) -> str:
    """Return what the comparison says of a method.

    Args:
        comparison: of one row.
        k: index of the method.

    Returns:
        The end of the key of its badge: `best`, `undecided` (one of several that are supported best),
            `passes`, `chance` or `stays`.
    """
    if k in comparison.best:
        return "best" if len(comparison.best) == 1 else "undecided"
    if not comparison.above_chance[k]:
        return "chance"
    return "stays" if comparison.stays[k] else "passes"


def reasons(comparison: MethodComparison, titles: Mapping[str, str], *, in_words: bool = False) -> list[Text]:
    """Give the reasons of the verdict, with their numbers.

    Args:
        comparison: of one row.
        titles: titles of the methods by name.
        in_words: whether the input is a text, of which removed places are unknown words.

    Returns:
        Sentences in every language.
    """
    best, passing = comparison.best, comparison.passing
    names = [titles[name] for name in comparison.methods]
    lines = []
    if len(best) == 1:
        lines.append(_led(comparison, best[0], names))
    elif best:
        scores = _listed([f"{names[k]} {_numbers(comparison, k)}" for k in best])
        lines.append(said("why.several", scores=scores))
        trailing = [k for k in passing if k not in best]
        if trailing:
            lines.append(said("why.trailing", names=_listed([names[k] for k in trailing])))
    close = [
        names[k]
        for k in range(len(names))
        if len(best) == 1 and not comparison.above_chance[k] and not comparison.leads(best[0], k)
    ]
    if close:
        lines.append(said("why.close", names=_listed(close)))
    below = [names[k] for k, above in enumerate(comparison.above_chance) if not above]
    if below:
        lines.append(said("why.chance", names=_listed(below), count=len(below)))
    stay = [
        n for n, s, above in zip(names, comparison.stays, comparison.above_chance, strict=True) if s and above
    ]
    if stay:
        lines.append(said("why.stays", names=_listed(stay), count=len(stay)))
    lines += _disagreement(comparison, best if len(best) > 1 else passing, names)
    return [*lines, _scale(comparison, in_words=in_words)]


def _scale(comparison: MethodComparison, *, in_words: bool) -> Text:
    parts = {
        name: ", ".join(f"{values[baseline]:.2f}" for baseline in comparison.scores)
        for name, values in (("chance", comparison.chance), ("margin", comparison.margin))
    }
    kinds = ["unknown" if in_words and kind == "mean" else kind for kind in comparison.scores]
    ways = [said(f"why.ways.{kind}") for kind in kinds]
    listed = {language: " / ".join(way[language] for way in ways) for language in LANGUAGES}
    return said("why.scale", ways=listed, **parts)


def _led(comparison: MethodComparison, best: int, names: Sequence[str]) -> Text:
    """Say by how much the best leads the next one that passes."""
    others = sorted((k for k in comparison.passing if k != best), key=comparison.score, reverse=True)
    values = {"name": names[best], "score": _numbers(comparison, best)}
    if not others:
        return said("why.alone", **values)
    return said("why.led", **values, next=names[others[0]], next_score=_numbers(comparison, others[0]))


def _disagreement(comparison: MethodComparison, among: Sequence[int], names: Sequence[str]) -> list[Text]:
    """Say whether heatmaps are alike on a coarse grid, by the pair that is least alike."""
    if len(among) < 2:
        return []
    a, b = _least_alike(comparison, among)
    rho = comparison.alike[a][b]
    key = "why.alike" if rho >= ALIKE else "why.apart"
    return [said(key, a=names[a], b=names[b], rho=f"{rho:.2f}")]


def _least_alike(comparison: MethodComparison, among: Sequence[int]) -> tuple[int, int]:
    """Return the two of some methods, at least two, whose heatmaps are least alike."""
    return min(combinations(among, 2), key=lambda pair: comparison.alike[pair[0]][pair[1]])


def _numbers(comparison: MethodComparison, k: int) -> str:
    """Format a method's score under each baseline."""
    return " / ".join(f"{values[k]:.2f}" for values in comparison.scores.values())


def _listed(names: Sequence[str]) -> dict[str, str]:
    """Join names in every language."""
    english = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
    return {"en": english, "zh": "、".join(names)}
