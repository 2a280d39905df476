"""Two networks, or two checkpoints, on the same input, in a browser."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.lab.browser.running import expect, serious, stroke

from convscope import nets, see, worlds
from convscope.graph import TensorSpec, chain
from convscope.learn import load_checkpoint, train
from convscope.worlds.datasets import digits

pytestmark = pytest.mark.slow
Open = Callable[..., Any]
TEXT = "conv 25 3x3, relu, maxpool 2, conv 8 3x3, flatten, dense 10"


@pytest.fixture(scope="module", autouse=True)
def mine(lab: Any) -> nets.Net:
    """A training with two checkpoints, whose first layer has the shape of the one of `digits`."""
    net = nets.wrap(nets.build(chain("1x28x28", TEXT), seed=0), TensorSpec((1, 28, 28), "digit"), name="mine")
    return train(net, digits.train().take(range(300)), out=lab.folder / "mine", epochs=2, batch=50).load()


def example(index: int = 0) -> torch.Tensor:
    found = worlds.world_of(nets.load("digits").input_spec).example(nets.load("digits").input_spec, index)
    assert found is not None
    return found.input[None]


def stages(page: Any, layer: str) -> Any:
    return page.locator(f"section[aria-labelledby='layer-{layer}'] .stage")


def eventually(page: Any, read: Callable[[], Any], expected: Any) -> None:
    """Read until what is expected is there: a frame may still be on its way."""
    for _ in range(100):
        if read() == expected:
            break
        page.wait_for_timeout(50)
    assert read() == expected


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def test_both_answer_the_same_input_and_their_maps_are_subtracted(open_page: Open, mine: nets.Net) -> None:
    page = open_page("/?net=digits&with=run:mine")
    page.locator(".answers.pair").wait_for()
    page.get_by_role("button", name="Example").click()
    nets_of = (nets.load("digits"), mine)

    def percents() -> list[float]:
        return [float(one) for one in re.findall(r"([\d.]+)%", page.locator(".answers").inner_text())]

    with torch.no_grad():
        exact = torch.stack([100 * net(example()).softmax(1)[0] for net in nets_of], 1)
    eventually(page, percents, pytest.approx(exact.flatten().tolist(), abs=0.06))
    expect(stages(page, "conv1")).to_have_count(3)
    expect(stages(page, "conv2")).to_have_count(2)  # 50 maps and 8: nothing to subtract
    page.get_by_text("The shapes differ.").first.wait_for()
    maps = [{one.place: one.maps for one in see.feature_maps(net, example())} for net in nets_of]
    stages(page, "conv1").nth(1).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.locator(".readout", has_text="conv1 · map 1 · row 13, column 14").wait_for()
    first, second, difference = map(number, page.locator(".readout .number").all_inner_texts())
    exact = [float(found["conv1"][1, 13, 14]) for found in maps]
    assert (first, second) == (pytest.approx(exact[0], abs=0.02), pytest.approx(exact[1], abs=0.02))
    assert difference == pytest.approx(exact[1] - exact[0], abs=0.02)
    largest = float((maps[1]["conv1"] - maps[0]["conv1"]).abs().max())
    said = page.locator("section[aria-labelledby='layer-conv1'] .caption").nth(2).inner_text()
    assert number(said.split()[-1]) == pytest.approx(largest, abs=0.01)


def test_what_is_drawn_reaches_both_and_the_address_carries_the_pair(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_label("Compare with").select_option("run:mine")
    page.wait_for_url("**/m/digits?with=run%3Amine")
    page.locator(".answers.pair").wait_for()
    before = page.locator(".answers").inner_text()
    stroke(page, [(0.5, 0.16), (0.5, 0.5), (0.49, 0.85)])
    page.locator(".answers .name.best", has_text=re.compile("^1$")).wait_for()
    assert page.locator(".answers").inner_text() != before
    page.get_by_role("button", name="Swap").click()
    page.wait_for_url("**/m/run%3Amine?with=digits")
    page.locator(".columns strong", has_text="run:mine").first.wait_for()
    page.get_by_role("button", name="End comparison").click()
    page.wait_for_url("**/m/run%3Amine")
    page.locator(".answers.pair").wait_for(state="detached")
    page.locator("#layer-conv1").wait_for()


def test_a_checkpoint_of_a_training_is_compared_with_what_it_saved(open_page: Open, lab: Any) -> None:
    page = open_page("/m/run:mine?with=run:mine")
    page.locator("section[aria-labelledby='layer-conv1'] .caption", has_text="none").wait_for()
    page.get_by_label("Weights of run:mine").nth(1).select_option("run:mine@previous")
    page.wait_for_url("**/m/run%3Amine?with=run%3Amine%40previous")
    said = page.locator("section[aria-labelledby='layer-dense1'] .caption", has_text="at most")
    said.wait_for()
    page.reload()
    said.wait_for()
    page.get_by_role("button", name="Example").click()
    saved, before = (load_checkpoint(lab.folder / "mine", name) for name in ("last", "previous"))
    with torch.no_grad():
        largest = float((before(example()) - saved(example())).abs().max())
    eventually(page, lambda: number(said.inner_text().split()[-1]), pytest.approx(largest, abs=0.01))


def test_networks_of_other_inputs_are_refused_and_the_first_one_goes_on(open_page: Open) -> None:
    page = open_page("/m/digits?with=questions")
    page.get_by_role("alert").get_by_text("questions: text").wait_for()
    page.locator(".answers .name.best", has_text="7").wait_for()
    page.get_by_label("Compare with").select_option("lenet5")
    page.locator("#layer-C1").wait_for()
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("options", [{}, {"viewport": {"width": 390, "height": 844}, "is_mobile": True}])
def test_nothing_serious_for_axe_and_no_sideways_scrolling(open_page: Open, options: dict[str, Any]) -> None:
    page = open_page("/m/run:mine?with=digits", reduced_motion="reduce", **options)
    stages(page, "conv1").nth(2).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert not serious(page)
