"""The page: well-formed, hostile names escaped, the right numbers, bars as high as their counts say."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from openset import report
from openset.report.plots import BINS, counts
from openset.types import Decision

HOSTILE = '<script>alert("1")</script> & "q" \'s\' \x00\n\u202e.png'


def decision(outcome: str, confidence: float | None = 0.5) -> Decision:
    label = "cat" if outcome == "accepted" else None
    error = "unreadable: empty. Copy it again." if outcome == "error" else None
    return Decision(HOSTILE, outcome, label, "cat", confidence, {}, 0.9, "because", error)  # type: ignore[arg-type]


def page() -> str:
    cards = [
        report.Card(HOSTILE, report.thumbnail(np.zeros((30, 900, 3), np.uint8)), {HOSTILE: decision("accepted", 0.97)}),
        report.Card("b.png", None, {"plain": decision("error", None), "acet": decision("unknown")}),
    ]
    series = [report.Series("plain", [0.1, 0.9, 1.0], 0.5), report.Series("acet", [0.1, 0.1, 0.2], None)]
    blocks = [report.paragraph(HOSTILE), report.cards(cards), report.histogram("inside", HOSTILE, series)]
    blocks.append(report.table(report.Table("numbers", ("name", "value"), [("mmc", "0.123"), (HOSTILE, "1")])))
    return str(report.render("A title", "A lead", [report.Section("One", blocks)], "A foot"))


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    text = page()
    root = ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    assert root.tag == "html"
    assert root.get("lang") == "en"
    sources = [e.get("src", "") for e in root.iter("img")]
    assert len(sources) == 1
    assert all(s.startswith("data:image/") for s in sources)
    assert all(e.get("alt") is not None for e in root.iter("img"))
    assert not list(root.iter("script"))
    assert not re.search(r'(href|src)="(?!data:|#)', text)
    assert "prefers-color-scheme" in text


def test_hostile_names_are_text() -> None:
    assert "<script" not in page()
    assert "&lt;script&gt;" in page()


def test_every_number_given_stands_on_the_page() -> None:
    text = page()
    for shown in ("0.123", "A title", "A lead", "A foot", "unreadable: empty. Copy it again."):
        assert shown in text


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_numpys(seed: int) -> None:
    values = [*np.random.default_rng(seed).random(400).tolist(), 0.0, 1.0, 0.05, 0.95]
    wanted, _ = np.histogram(values, bins=BINS, range=(0, 1))
    made = counts(values)
    assert sum(made) == len(values)
    # a value on an edge may fall on either side in floating point
    assert np.abs(np.array(made) - wanted).sum() <= 4


def test_a_confidence_outside_0_to_1_is_refused() -> None:
    for wrong in (float("nan"), -0.1, 1.1):
        with pytest.raises(ValueError, match="give numbers from 0 to 1"):
            counts([wrong])
    with pytest.raises(ValueError, match="no pictures"):
        report.histogram("x", "caption", [report.Series("empty", [])])


def test_bars_are_as_high_as_their_share() -> None:
    values = [0.02] * 6 + [0.52] * 3 + [0.97]
    root = ElementTree.fromstring(str(report.histogram("h", "caption", [report.Series("one", values)])))
    bars = [e for e in root.iter() if e.tag.endswith("rect") and e.get("class", "").startswith("bar")]
    heights = [float(e.get("height", "0")) for e in bars if float(e.get("height", "0")) > 0]
    assert len(heights) == 3
    assert heights[0] / heights[2] == pytest.approx(6, rel=0.02)
    assert heights[1] / heights[2] == pytest.approx(3, rel=0.02)


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    report.write(tmp_path / "page.html", report.render("t", "l", []))
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_a_thumbnail_is_never_enlarged() -> None:
    import base64
    import io

    from PIL import Image

    for side, wanted in ((10, 10), (1000, 240)):
        uri = report.thumbnail(np.full((side, side, 3), 200, np.uint8))
        image = Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))
        assert image.size == (wanted, wanted)


def test_the_threshold_is_drawn_at_its_confidence() -> None:
    """At 3/4 of the axis, which the ticks 0 and 1 define."""
    svg = str(report.histogram("h", "caption", [report.Series("one", [0.2, 0.9], 0.75)]))
    ticks = {
        t: float(x)
        for x, t in re.findall(r'<text class="tick" x="([\d.]+)" y="[\d.]+" text-anchor="middle">([\d.]+)<', svg)
    }
    (line,) = re.findall(r'class="threshold" d="M([\d.]+) ', svg)
    assert float(line) == pytest.approx(ticks["0"] + 0.75 * (ticks["1"] - ticks["0"]), abs=0.01)
    assert "threshold 0.750" in svg
