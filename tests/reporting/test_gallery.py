"""The gallery as a file: complete, escaped, nothing from outside, one script that is allowed."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

from tests.reporting.gallery_cards import ANSWERS, CLASSES, make_cards, make_summary
from tests.reporting.html_page import Page
from wbc_jax.prediction.differential import differential
from wbc_jax.reporting import leaky
from wbc_jax.reporting.gallery import write_gallery


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("gallery")
    return write_gallery(folder, make_summary(), make_cards()).read_text(encoding="utf-8")


def test_the_only_script_is_the_one_that_the_policy_names(source: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', source)
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'"
    )


def test_nothing_comes_from_outside_and_names_are_escaped(source: str) -> None:
    without_script = re.sub(r"<script>.*?</script>", "", source, flags=re.DOTALL)
    page = Page(without_script)
    assert page.unclosed == []
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith(("data:", "#")), tag
    assert not page.all("b")
    assert not page.all("i")
    assert "&lt;script&gt;" in source
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_cell_has_a_card_with_words_for_its_pictures(source: str) -> None:
    page = Page(re.sub(r"<script>.*?</script>", "", source, flags=re.DOTALL))
    cards = [tag for tag in page.all("li") if "data-answer" in tag]
    assert [card["data-answer"] for card in cards] == [answer for answer, _, _ in ANSWERS]
    images = page.all("img")
    assert len(images) == 6 + 2 * 3  # odd cards say why
    assert all(len(image["alt"]) > 20 for image in images)
    assert len({image["alt"] for image in images}) == len(images)


def test_the_differential_count_has_its_intervals(source: str) -> None:
    page = Page(re.sub(r"<script>.*?</script>", "", source, flags=re.DOTALL))
    table = next(rows for name, rows in page.tables.items() if "by class" in name)
    assert [row[0] for row in table[1:]] == [*CLASSES, "uncertain, of all white cells"]
    assert table[1][:3] == ["lymphocyte", "2", "40.0 %"]
    assert re.fullmatch(r"\[\d+\.\d, \d+\.\d\]", table[1][3])
    uncertain = {row[0]: row[4] for row in table[1:-1]}
    (best,) = [best for answer, best, _ in ANSWERS if answer == "uncertain"]
    assert uncertain == {name: str(int(name == best)) for name in CLASSES}


@pytest.mark.parametrize("number", [1, 2, 205])
def test_several_folders_have_a_row_each(number: int, tmp_path: Path) -> None:
    counts = {"num_images": 2, "differential": differential({"lymphocyte": 1, "neutrophil": 3}, {})}
    folders = {f"<b>{place:03d}": counts for place in range(number)}
    path = write_gallery(tmp_path, make_summary(folders=folders), make_cards())
    tables = Page(path.read_text(encoding="utf-8")).tables
    found = [rows for name, rows in tables.items() if "By folder" in name]
    assert len(found) == (number > 1)
    if found:
        assert found[0][1] == ["<b>000", "2", "4", "1, 25.0 %", "3, 75.0 %", "0"]
        assert len(found[0]) == 1 + min(number, 200)
    of_many = any("the first 200 of 205 folders" in name for name in tables)
    assert of_many == (number > 200)


@pytest.mark.parametrize("is_leaky", [False, True])
def test_a_leaky_run_is_marked(is_leaky: bool, tmp_path: Path) -> None:
    run = make_summary()["run"] | {"is_leaky": is_leaky}
    page = write_gallery(tmp_path, make_summary(run=run), make_cards()).read_text(encoding="utf-8")
    assert (leaky.MARK in page) == is_leaky


@pytest.mark.parametrize(
    ("confidence", "words"),
    [
        ({"threshold": 0.6, "target_risk": 0.05}, "below 60.0 %"),
        ({"threshold": None, "target_risk": 0.05}, "Every cell is “uncertain”"),
        ({"threshold": None, "target_risk": None}, "No cell is called “uncertain”"),
    ],
)
def test_the_page_says_where_uncertain_begins(
    confidence: dict[str, float | None], words: str, tmp_path: Path
) -> None:
    whole = {"coverage_on_test": 0.9, "risk_on_test": 0.04, **confidence}
    page = write_gallery(tmp_path, make_summary(confidence=whole), make_cards())
    assert words in page.read_text(encoding="utf-8")
