"""Every page for everybody: axe, the keyboard alone, less motion, phones; in both languages and themes."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.lab.browser.running import LAB_UI, Lab, expect, serious, wait_for_answer

pytestmark = pytest.mark.slow
Open = Callable[..., Any]
TABLE = (LAB_UI / "src" / "pages" / "index.ts").read_text(encoding="utf-8")
PATTERNS = re.findall(r"pattern: '([^']+)'", TABLE)
"""Addresses of all pages, as their table has them."""
PARAMS = {"net": "digits", "layer": "conv2", "unit": "7", "mode": "style", "verb": "classify"}
LONG = "the_name_of_a_layer_that_is_longer_than_the_page_of_a_phone_is_wide"
STATES = {
    "/m/questions": "a text",
    "/m/questions/pool2/3": "a unit that cannot be inspected",
    "/build?text=conv+8+3x3,+conv+9+40x40": "a network that is wrong",
    "/build?net=torchvision/resnet18": "a network with branches",
    f"/build?text={LONG}+%3D+conv+8+1x1,+c2+%3D+conv+8+1x1,+c3+%3D+relu,+add+<+{LONG}+c2+c3": "a long name",
    "/do/visualize": "a form with several settings",
    "/m/digits/conv2/99": "no such unit",
}
"""Pages that look different than at their plain address, and how."""
ADDRESSES = [*PATTERNS, *STATES]


@pytest.fixture(scope="session")
def job(lab: Lab, browser: Any, cookies: Any) -> str:
    """Begin and await a short job; return its id."""
    context = browser.new_context(storage_state=cookies)
    page = context.new_page()
    page.goto(lab.base + "/jobs")
    id_ = page.evaluate(
        """body => fetch('/api/v1/jobs', {method: 'POST', body: JSON.stringify(body),
        headers: {'Content-Type': 'application/json'}}).then(answer => answer.json()).then(({id}) => id)""",
        {
            "verb": "visualize",
            "settings": {"net": "digits", "places": ["conv2:0-3"], "steps": "2"},
            "uploads": {},
        },
    )
    page.goto(f"{lab.base}/jobs/{id_}")
    page.get_by_text("done", exact=True).wait_for(timeout=180_000)
    context.close()
    return id_


def shown(open_page: Open, address: str, job: str, **options: Any) -> Any:
    """Open a page, and wait until what it shows has come."""
    path = re.sub(r":(\w+)", lambda found: {**PARAMS, "id": job}[found[1]], address)
    page = open_page(path, **options)
    page.get_by_role("heading", level=1).wait_for(timeout=60_000)
    if address == "/m/:net/:layer":
        page.locator(".tile .number").first.wait_for(timeout=120_000)
    elif "/m/" in path or path == "/":
        page.locator(".answers").wait_for(timeout=120_000)
    if path == "/go":
        page.get_by_role("application").wait_for(timeout=180_000)
        for name in re.compile("^(Hints|提示)$"), re.compile("^(Input planes|输入平面)$"):
            page.get_by_role("button", name=name).click()
        page.locator(".suggested li").first.wait_for(timeout=60_000)
        page.locator(".plane").first.wait_for(timeout=60_000)
    page.wait_for_timeout(500)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_serious_for_axe(open_page: Open, job: str, address: str, scheme: str) -> None:
    page = shown(open_page, address, job, color_scheme=scheme, reduced_motion="reduce")
    assert not serious(page)


REACHABLE = """() => [...document.querySelectorAll(
    'a[href], button, input, select, textarea, summary, [tabindex]'
  )].filter(one => one.tabIndex >= 0 && !one.disabled
    && (one.type !== 'radio' || one.checked)  // the arrow keys reach the others of its group
    && one.checkVisibility({visibilityProperty: true}) && !one.closest('[hidden], dialog:not([open])'))"""
STEP = """async () => {
  await new Promise(shown => requestAnimationFrame(() => requestAnimationFrame(shown)))
  const one = document.activeElement
  if (!one || one === document.body) return ''  // the end: the next one is the first
  if (one.dataset.reached) return null
  one.dataset.reached = 'yes'
  const ring = element => {
    const style = element && getComputedStyle(element)
    const outlined = style && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0
    return outlined || (style && style.boxShadow !== 'none')
  }
  const box = one.getBoundingClientRect()
  const button = one.closest('label')
  const said = one.outerHTML.slice(0, 120)
  if (!ring(one) && !ring(button) && !ring(button?.querySelector('.button'))) return 'no ring: ' + said
  const inside = box.bottom > 0 && box.top < innerHeight + 1
  return inside ? '' : 'out of sight: ' + said
}"""
MOST = 400
"""Steps after which a page has no end."""


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_tab_key_reaches_everything_and_shows_where_it_is(
    open_page: Open, job: str, address: str
) -> None:
    page = shown(open_page, address, job, reduced_motion="reduce")
    wrong = []
    for _ in range(MOST):
        page.keyboard.press("Tab")
        found = page.evaluate(STEP)
        if found is None:
            break
        wrong += [found] if found else []
    missed = page.evaluate(
        f"({REACHABLE})().filter(one => !one.dataset.reached).map(one => one.outerHTML.slice(0, 120))"
    )
    assert (wrong, missed) == ([], [])


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_list_of_keys_opens_and_escape_closes_it(open_page: Open, job: str, address: str) -> None:
    page = shown(open_page, address, job)
    before = page.url
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    assert dialog.locator("dt").count() >= 2
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached" if dialog.count() == 0 else "hidden")
    assert page.url == before


def test_the_skip_link_leads_to_the_content(open_page: Open) -> None:
    page = open_page("/build")
    page.get_by_role("heading", level=1).wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className").startswith("skip")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_removing_jobs_is_asked_for_and_escape_keeps_them(open_page: Open, job: str) -> None:
    page = open_page("/jobs")
    page.get_by_role("button", name="Remove finished jobs").focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_text("Remove 1 finished jobs", exact=False).wait_for()
    assert page.evaluate("document.activeElement.innerText") == "Keep them"
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.innerText") == "Remove finished jobs"
    assert page.locator(f"a[href='/jobs/{job}']").count() > 0


def test_a_layer_of_a_drawing_is_chosen_left_and_closed_by_keyboard(open_page: Open) -> None:
    page = open_page("/build?net=torchvision/resnet18")
    node = page.locator(".node", has_text="conv1").first
    node.wait_for(timeout=120_000)
    node.focus()
    page.keyboard.press("Enter")
    page.locator("aside.card h3", has_text="conv1").wait_for()
    page.keyboard.press("ArrowDown")
    page.locator("aside.card h3", has_text="bn1").wait_for()
    page.keyboard.press("Escape")
    page.locator("aside.card").wait_for(state="detached")


def test_less_motion_is_respected(open_page: Open) -> None:
    page = open_page("/m/digits/conv2/7", reduced_motion="reduce")
    where = page.locator(".controls .where")
    where.wait_for()
    first = where.inner_text()
    page.wait_for_timeout(1200)
    assert where.inner_text() == first
    expect(page.get_by_role("button", name="Play")).to_have_count(1)
    moving = "document.getAnimations().filter(one => one.playState === 'running').length"
    assert page.evaluate(moving) == 0


def on_phones() -> list[Any]:
    """Every page in one language, in turns; in the other one in `make test-all`."""
    both = [(address, locale) for address in ADDRESSES for locale in ("en-US", "zh-CN")]
    marks = [() if number % 4 in (0, 3) else (pytest.mark.exhaustive,) for number in range(len(both))]
    return [pytest.param(*one, marks=mark) for one, mark in zip(both, marks, strict=True)]


@pytest.mark.parametrize(("address", "locale"), on_phones())
def test_pages_fit_a_phone_in_both_languages(open_page: Open, job: str, address: str, locale: str) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = shown(open_page, address, job, locale=locale, **phone)
    text = page.locator("main").inner_text()
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    page.wait_for_timeout(100)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    assert page.evaluate("innerWidth") <= 390
    assert any("\u4e00" <= letter <= "\u9fff" for letter in text) == (locale == "zh-CN")
    current = page.locator("header nav a[aria-current]")
    if current.count():
        box = current.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_an_answer_is_spoken(open_page: Open) -> None:
    page = open_page("/")
    wait_for_answer(page, "7")
    spoken = page.locator("p.spoken[aria-live=polite]").all_inner_texts()
    assert any("Answer: 7" in text for text in spoken)
