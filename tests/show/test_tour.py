import re

import pytest

from convscope.errors import Interrupted
from convscope.nets import load
from convscope.show.events import CHAPTERS, Learned, Opened, Written
from convscope.show.recipe import Tour
from convscope.show.tour import tour


def test_a_stop_keeps_the_chapters_so_far(tmp_path):
    events = tour(Tour(), tmp_path / "t", shown=tmp_path / "later")
    for event in events:
        if isinstance(event, Opened) and event.key == "training":
            break
    with pytest.raises(Interrupted, match=r"4 of 6 chapters .*later"):
        events.throw(KeyboardInterrupt)
    page = (tmp_path / "t" / "report.html").read_text("utf-8")
    assert "stopped before its end" in page
    assert [key for key in CHAPTERS if f'<section id="{key}"' in page] == list(CHAPTERS[:4])


@pytest.mark.slow
def test_the_whole_tour_and_that_it_repeats(tmp_path):
    recipe, pages = Tour(epochs=1, steps=3, device="cpu"), []
    for name in ("a", "b"):
        events = list(tour(recipe, tmp_path / name, shown=tmp_path / "x"))
        shares = [event.done for event in events]
        assert shares == sorted(shares)
        assert all(event.note for event in events)
        assert {e.network for e in events if isinstance(e, Learned)} == {"lecture", "lecture-relu"}
        assert isinstance(events[-1], Written)
        assert min(events[-1].accuracy.values()) > 0.85
        text = (tmp_path / name / "report.html").read_text("utf-8")
        pages.append(re.sub(r"(in|用时) \d+ (seconds|秒)", "", text))
    assert pages[0] == pages[1]
    assert load(tmp_path / "a" / "lecture-relu").graph == load("lecture-relu").graph
