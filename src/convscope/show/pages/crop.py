"""What a network sees of photographs that are cropped to its input: as a frame, a share and a sentence."""

from collections.abc import Sequence
from itertools import chain

from markupsafe import Markup
from PIL import Image

from convscope.graph import TensorSpec
from convscope.show.images.draw import flatten_alpha, webp_uri, with_longer_side
from convscope.show.report.i18n import Text, spoken
from convscope.show.svg import drawing, element, number
from convscope.worlds import Dataset, JoinedSamples, LabelledImages, Placement, Sample

PHOTO = 640
"""Longer side of the photograph on a page, in pixels."""
WHOLE = 0.995
"""Share of a file from which on it counts as seen whole; frames end between pixels."""
Spans = tuple[tuple[float, float], ...]
"""First and last position of a part along each axis, y before x, as shares of the axis."""
EDGES = (("top", "bottom"), ("left", "right"))
"""Names of the two ends of each axis, y before x."""


def _spans(sample: Sample, spec: TensorSpec) -> Spans | None:
    """Return what the input is made of, as shares of the photograph's axes; None without a fixed place."""
    return _parts(sample.placement, spec) if isinstance(sample.original, Image.Image) else None


def _parts(placed: Placement | None, spec: TensorSpec) -> Spans | None:
    """Return what the input shows of a file, as shares of its axes; None for what is no picture."""
    size = spec.size
    if placed is None or len(size) != 2 or len(placed.extent) != 2:
        return None
    spans = placed.to_file(tuple((0.0, float(extent)) for extent in size))
    return tuple((low / end, high / end) for (low, high), end in zip(spans, placed.extent, strict=True))


def share_seen(sample: Sample, spec: TensorSpec) -> float | None:
    """Return how much of a photograph the network sees.

    Args:
        sample: an input, with what was opened.
        spec: the network's input spec.

    Returns:
        The share of its area, above 0 to 1; None for inputs without a fixed place in their file, such as
            digits, and for what is no photograph.
    """
    spans = _spans(sample, spec)
    return None if spans is None else _area(spans)


def _area(spans: Spans) -> float:
    (top, bottom), (left, right) = spans
    return (right - left) * (bottom - top)


def is_cropped(sample: Sample, spec: TensorSpec) -> bool:
    """Return whether the network sees less than (almost) all of a photograph.

    Args:
        sample: an input, with what was opened.
        spec: the network's input spec.

    Returns:
        Whether it does.
    """
    share = share_seen(sample, spec)
    return share is not None and share <= WHOLE


def sentence(sample: Sample, spec: TensorSpec) -> Text | None:
    """Say how much of a photograph the network sees, and how much is cut off at which edges.

    Args:
        sample: an input, with what was opened.
        spec: the network's input spec.

    Returns:
        A sentence in every language; None where nothing is cropped.
    """
    return next(iter(sentences([sample], spec)), None)


def _alone(spans: Spans) -> Text:
    """Say how much of one photograph the network sees, and how much is cut off at which edges."""
    parts = list(chain.from_iterable(_cut(span, edges) for span, edges in zip(spans, EDGES, strict=True)))
    listed = {"en": ", ".join(part["en"] for part in parts), "zh": "、".join(part["zh"] for part in parts)}
    return spoken("look.crop.said", share=_percent(_area(spans)), edges=listed)


def sentences(samples: Sequence[Sample], spec: TensorSpec) -> list[Text]:
    """Say how much of one or several photographs the network sees.

    Args:
        samples: inputs, with what was opened; at least one.
        spec: the network's input spec.

    Returns:
        One sentence at most, in every language; none where nothing is cropped.
    """
    return _said([_spans(sample, spec) for sample in samples])


def sentences_on_files(placements: Sequence[Placement | None], spec: TensorSpec) -> list[Text]:
    """Say how much of files a network sees of which only the place in its input is known.

    Args:
        placements: where each file lies in the input; None without a fixed place.
        spec: the network's input spec.

    Returns:
        One sentence at most, as `sentences` writes it.
    """
    return _said([_parts(placed, spec) for placed in placements])


def sentences_on_data(data: Dataset) -> list[Text]:
    """Say how much of the photographs of a data set a network sees.

    Args:
        data: opened in the network's input format.

    Returns:
        One sentence at most, in every language, on the files whose size is known; none where nothing is
            cropped.
    """
    parts = data.parts.values() if isinstance(data, JoinedSamples) else [data]
    files = [
        (placed, part.spec)
        for part in parts
        if isinstance(part, LabelledImages)
        for placed in part.placements()
    ]
    return _said([_parts(placed, spec) for placed, spec in files], sampled=len(files) < len(data))


def as_fields(lines: Sequence[Text]) -> dict[str, list[str]]:
    """Return sentences as the fields of a document.

    Args:
        lines: in every language.

    Returns:
        `said` and `said_zh`: the sentences in English and Chinese.
    """
    return {"said": [line["en"] for line in lines], "said_zh": [line["zh"] for line in lines]}


def _said(files: Sequence[Spans | None], *, sampled: bool = False) -> list[Text]:
    """Say how much of files a network sees, by the parts that it shows; `sampled` if there are more files."""
    cropped = [spans for spans in files if spans is not None and _area(spans) <= WHOLE]
    if not cropped:
        return []
    if len(files) == 1 and not sampled:
        return [_alone(cropped[0])]
    shares = sorted(map(_area, cropped))
    span = " – ".join(dict.fromkeys((_percent(shares[0]), _percent(shares[-1]))))
    key = "sampled" if sampled else "every" if len(cropped) == len(files) else "several"
    return [spoken(f"look.crop.{key}", count=len(cropped), all=len(files), share=span)]


def note(sample: Sample, spec: TensorSpec) -> str:
    """Say how much of a file a picture on a sheet is.

    Args:
        sample: an input, with what was opened.
        spec: the network's input spec.

    Returns:
        A short line; empty where nothing is cropped.
    """
    if not is_cropped(sample, spec):
        return ""
    return spoken("look.crop.note", share=_percent(share_seen(sample, spec) or 0.0))["en"]


def _cut(span: tuple[float, float], edges: tuple[str, str]) -> list[Text]:
    """Say how much is cut off at both ends of an axis; equal shares at once."""
    shares = [_percent(share) for share in (span[0], 1 - span[1])]
    names = [spoken(f"look.crop.{edge}") for edge in edges]
    if shares[0] == shares[1] != "0%":
        return [spoken("look.crop.cut", share=shares[0], edge=spoken(f"look.crop.{'_'.join(edges)}"))]
    return [
        spoken("look.crop.cut", share=share, edge=name)
        for share, name in zip(shares, names, strict=True)
        if share != "0%"
    ]


def _percent(share: float) -> str:
    return f"{share:.0%}"


def framed(sample: Sample, spec: TensorSpec) -> Markup:
    """Draw the whole file of an input, and a frame around what the network sees of it.

    Args:
        sample: an input whose original is an image.
        spec: the network's input spec.

    Returns:
        The drawing; without a frame for inputs without a fixed place in their file, such as digits.
    """
    photo = flatten_alpha(sample.original)
    photo = with_longer_side(photo, min(PHOTO, max(max(photo.size), 224)))
    width, height = photo.size
    source = element("image", href=webp_uri(photo), width=width, height=height)
    spans = _spans(sample, spec)
    if spans is None:
        return drawing(width, height, source, label=spoken("look.input.file"), class_="photo")
    (top, bottom), (left, right) = (
        (low * drawn, high * drawn) for (low, high), drawn in zip(spans, (height, width), strict=True)
    )
    hole = f"M{number(left)} {number(top)}H{number(right)}V{number(bottom)}H{number(left)}Z"
    veil = element("path", d=f"M0 0H{width}V{height}H0Z{hole}", class_="veil", fill_rule="evenodd")
    frame = element("path", d=hole, class_="window")
    label = spoken("look.input.photo", share=f"{100 * (share_seen(sample, spec) or 1):.0f}")
    return drawing(width, height, source, veil, frame, label=label)
