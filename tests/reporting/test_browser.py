"""Every kind of page in a real browser without a window; else skipped."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reporting.gallery_cards import ANSWERS, make_cards, make_summary
from tests.sweeps.finished_sweep import write_all, write_page
from wbc_jax.evaluation.pool import pool
from wbc_jax.reporting.audit_findings import Findings, Group, Pair
from wbc_jax.reporting.audit_report import write_audit
from wbc_jax.reporting.compare import compare
from wbc_jax.reporting.gallery import write_gallery

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PHONE, _DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 900}

Opened = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium of the system, else the one that Playwright has fetched."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    with api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except api.Error as error:
            pytest.skip(f"no Chromium can be started here ({str(error).splitlines()[0]})")
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Opened]:
    """Opens a page; whatever it complains of fails the test at its end."""
    complaints: list[str] = []
    contexts = []

    def open_page(path: Path, *, viewport: dict[str, int] = _DESK, **settings: Any) -> Any:
        context = browser.new_context(viewport=viewport, offline=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url[:80]))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gallery(tmp_path_factory.mktemp("gallery"), make_summary(), make_cards())


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    return write_page(write_all(folder), folder)


@pytest.fixture(scope="module")
def comparison(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    compare([finished_run], folder)
    return folder / "compare.html"


@pytest.fixture(scope="module")
def pooled(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pooled")
    pool([finished_run], folder)
    return folder / "pooled.html"


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pair = Pair("train", "a.png", "test", "b.png", "bytes")
    findings = Findings(
        title="pictures",
        parts={"train": 1, "test": 1},
        twins={"train": 1, "test": 1},
        pairs=[pair],
        groups=[Group("a", {"train": 1, "test": 1}, pair)],
        unreadable=[("c.png", "the file is empty")],
        notes=["A note."],
    )
    black = np.zeros((40, 40, 3), np.uint8)
    folder = tmp_path_factory.mktemp("audit")
    return write_audit(findings, folder, lambda pair: (black, black), rules={"bytes": "equal"})


_LEAST_PICTURES = {"pooled.html": 1, "audit.html": 1}  # of the others three
PAGES = ["gallery", "finished_run", "detector_run", "sweep", "comparison", "pooled", "audit"]


@pytest.fixture(params=PAGES)
def any_page(browser: Any, request: pytest.FixtureRequest) -> Path:
    """Each kind of page there is; none is made where there is no browser."""
    path = Path(request.getfixturevalue(request.param))
    return path if path.is_file() else path / "report.html"


def shown(page: Any) -> list[tuple[str, float]]:
    """Answer and confidence of the visible cards, in the order that is seen."""
    cards = page.locator(".card:visible")
    return [
        (card.get_attribute("data-answer"), float(card.get_attribute("data-confidence")))
        for card in cards.all()
    ]


ALL = [(answer, confidence) for answer, _, confidence in ANSWERS]


def test_every_picture_loads(any_page: Path, opened: Opened) -> None:
    page = opened(any_page)
    for details in page.locator("details").all():
        details.evaluate("element => { element.open = true; }")
    sizes = page.locator("img").evaluate_all(
        "images => Promise.all(images.map(i => i.decode().then(() => i.naturalWidth)))"
    )
    assert len(sizes) >= _LEAST_PICTURES.get(any_page.name, 3)
    assert min(sizes) > 10


def test_a_broken_picture_would_be_seen(tmp_path: Path, browser: Any) -> None:
    """The check above can fail."""
    path = tmp_path / "broken.html"
    path.write_text('<img src="data:image/jpeg;base64,AAAA">')
    page = browser.new_page()
    page.goto(path.as_uri())
    is_loaded = page.locator("img").evaluate("i => i.decode().then(() => true, () => false)")
    page.close()
    assert not is_loaded


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_no_page_is_wider_than_its_window(width: int, any_page: Path, opened: Opened) -> None:
    page = opened(any_page, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def luminance(colour: str) -> float:
    """WCAG 2: of "rgb(r, g, b)"."""
    channels = [int(part) / 255 for part in colour[4:-1].split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# Of every text that is seen: its colour, and that of the nearest thing behind it that has one.
_INKS_ON_PAPERS = """() => {
  const found = new Map();
  for (const element of document.body.querySelectorAll("*")) {
    const text = [...element.childNodes].filter(node => node.nodeType === 3)
      .map(node => node.data).join("").trim();
    if (!text || !element.checkVisibility()) continue;
    let behind = element;
    while (behind && getComputedStyle(behind).backgroundColor.startsWith("rgba"))
      behind = behind.parentElement;
    const pair = [getComputedStyle(element).color,
                  getComputedStyle(behind || document.body).backgroundColor];
    found.set(pair.join(), [...pair, text.slice(0, 40)]);
  }
  return [...found.values()];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_the_light_and_in_the_dark(
    scheme: str, any_page: Path, opened: Opened
) -> None:
    page = opened(any_page, color_scheme=scheme)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (luminance(paper) > 0.5) == (scheme == "light")
    pairs = page.evaluate(_INKS_ON_PAPERS)
    assert len(pairs) > 1
    for ink, under, text in pairs:
        bright, dark = sorted((luminance(under), luminance(ink)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, (ink, under, text)  # WCAG 2, level AA


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("as found", ALL),
        ("least confident first", sorted(ALL, key=lambda card: card[1])),
        ("most confident first", sorted(ALL, key=lambda card: -card[1])),
        ("by class", sorted(ALL, key=lambda card: card[0])),
    ],
)
def test_cards_are_sorted(
    order: str, expected: list[tuple[str, float]], gallery: Path, opened: Opened
) -> None:
    page = opened(gallery)
    page.get_by_role("combobox", name="Order").select_option(order)
    assert shown(page) == expected


@pytest.mark.parametrize("answer", ["neutrophil", "uncertain", "<script>"])
def test_cards_are_filtered_by_class(answer: str, gallery: Path, opened: Opened) -> None:
    page = opened(gallery)
    page.get_by_role("combobox", name="Class").select_option(answer)
    expected = [card for card in ALL if card[0] == answer]
    assert shown(page) == expected
    assert page.get_by_role("status").inner_text() == f"{len(expected)} of 6 cells shown"
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.querySelectorAll('.card[hidden]').length === 0")
    assert shown(page) == ALL


def test_cards_are_filtered_by_confidence(gallery: Path, opened: Opened) -> None:
    page = opened(gallery)
    page.get_by_label("Confidence from (%)").fill("80")
    page.get_by_label("to (%)", exact=True).fill("93")
    assert shown(page) == [card for card in ALL if 0.8 <= card[1] <= 0.93]
    page.get_by_label("Confidence from (%)").fill("")
    assert shown(page) == [card for card in ALL if card[1] <= 0.93]


def test_the_keyboard_alone_will_do(gallery: Path, opened: Opened) -> None:
    page = opened(gallery)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "answer":
            break
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    page.keyboard.type("unc")
    assert [card[0] for card in shown(page)] == ["uncertain"]
    page.locator("summary:visible").first.focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("table", name="Probabilities of").first.is_visible()


def test_a_screen_reader_hears_what_is_seen(gallery: Path, opened: Opened) -> None:
    page = opened(gallery)
    heard = page.locator("main").aria_snapshot()
    assert 'combobox "Class"' in heard
    assert 'spinbutton "Confidence from (%)"' in heard
    assert "status: 6 of 6 cells shown" in heard
    article = page.get_by_role("article", name=re.compile("^uncertain ?: cell 3 of"))
    assert article.count() == 1
    assert article.get_by_role("img").count() == 1  # what is folded away is not heard
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, select, button')]"
        ".filter(e => !(e.labels?.length || e.textContent.trim())).length"
    )
    assert unnamed == 0


def test_why_is_shown_on_demand(gallery: Path, opened: Opened) -> None:
    page = opened(gallery)
    first = page.locator(".card").first
    pictures = first.get_by_role("img", name="Grad-CAM of")
    assert pictures.count() == 0
    first.get_by_text("Why").click()
    assert pictures.is_visible()
    assert first.get_by_role("img", name="Occlusion of").is_visible()


def test_without_scripts_everything_is_there(gallery: Path, opened: Opened) -> None:
    page = opened(gallery, java_script_enabled=False)
    assert page.locator(".card:visible").count() == len(ANSWERS)
    assert page.locator("#controls:visible").count() == 0


def test_settings_of_a_sweep_are_sorted_by_keyboard_alone(sweep: Path, opened: Opened) -> None:
    page = opened(sweep)

    def column(heading: str) -> list[str]:
        place = page.locator(".sortable thead th").all_inner_texts().index(heading)
        rows = sorted(page.locator(".sortable tbody tr").all(), key=lambda r: r.bounding_box()["y"])
        return [row.locator("th, td").nth(place).inner_text() for row in rows]

    assert column("No.") == [str(rank) for rank in range(1, 8)]
    first = page.get_by_role("radio").first
    first.focus()
    orders = {column("Setting")[0]}
    for _ in range(page.get_by_role("radio").count() - 1):
        page.keyboard.press("ArrowDown")
        orders.add(column("Setting")[0])
    assert len(orders) > 1
    page.get_by_role("radio", name="parameters").check()
    numbers = [int(text.replace(",", "")) for text in column("Parameters")]
    assert numbers == sorted(numbers)
