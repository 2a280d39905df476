"""The test images with the largest loss, with an attribution map of the wrong prediction."""

from collections.abc import Sequence

from convscope.errors import ConvscopeError
from convscope.nets import Net
from convscope.see import explain
from convscope.show import tinted
from convscope.show.images.draw import webp, with_longer_side
from convscope.show.images.heatmap import overlay
from convscope.show.pages.explanation.attribution import heat_over
from convscope.show.report.figure import Figure
from convscope.show.report.figures.training.worst_examples import SIDE, Answer, tile_width
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import element
from convscope.worlds import render

SOURCE = "Ramprasaath Selvaraju et al., Grad-CAM (ICCV 2017)"
TEXTS = "Mukund Sundararajan, Ankur Taly, Qiqi Yan, Axiomatic Attribution for Deep Networks (ICML 2017)"
MOST = 8
"""Images that are attributed."""


def of_run(net: Net, answers: Sequence[Answer], classes: Sequence[str], command: str) -> Figure | None:
    """Build the figure of Grad-CAM maps of wrong predictions.

    Args:
        net: the classifier.
        answers: test images, the largest loss first.
        classes: names of the network's outputs.
        command: reproduces a map.

    Returns:
        The figure; None where no image is wrong, or Grad-CAM does not suit the network or its input.
    """
    wrong = [a for a in answers if a.answer != a.truth][:MOST]
    if wrong and net.input_spec.is_integer:
        return _of_texts(net, wrong, classes, command)
    if not wrong or not net.input_spec.is_rgb:
        return None
    tiles = []
    try:
        for answer in wrong:
            target = classes.index(answer.answer)
            found = explain(net, answer.image, "gradcam", target)
            photo = render(answer.image, net.input_spec)
            drawn = overlay(photo, heat_over(found, 0, photo), signed=False)
            values = {"truth": answer.truth, "answer": answer.answer, "sure": f"{100 * answer.sure:.0f}"}
            pair = [
                webp(with_longer_side(photo, SIDE), spoken("trained.attributed.photo", **values)),
                webp(with_longer_side(drawn, SIDE), spoken("trained.attributed.alt", **values)),
            ]
            line = bilingual("trained.attributed.said", **values)
            tiles.append(element("div", element("div", *pair, class_="side"), line, class_="tile"))
    except ConvscopeError:
        return None
    body = element("div", *tiles, class_="sheet", style="--tile:13rem")
    return Figure("trained.attributed", body, command, SOURCE, {"count": len(wrong)})


def _of_texts(net: Net, wrong: Sequence[Answer], classes: Sequence[str], command: str) -> Figure | None:
    """Build the figure of integrated gradients of wrong predictions, as tinted texts; None without texts."""
    tiles = []
    try:
        for answer in wrong:
            found = explain(net, answer.image, "integrated", classes.index(answer.answer))
            pieces = tinted.pieces_of([x[0] for x in found.task.inputs], found.task.net.input_specs)
            if not pieces:
                return None
            values = {"truth": answer.truth, "answer": answer.answer, "sure": f"{100 * answer.sure:.0f}"}
            text = tinted.paragraph(pieces, tinted.totals(pieces, found.heatmap[0].cpu().numpy()))
            line = bilingual("trained.attributed.said", **values)
            tiles.append(element("div", text, line, class_="tile"))
    except ConvscopeError:
        return None
    body = element("div", *tiles, class_="sheet", style=tile_width(net.input_spec, 13))
    values = {"count": len(wrong)}
    return Figure("trained.attributed_texts", body, command, TEXTS, values)
