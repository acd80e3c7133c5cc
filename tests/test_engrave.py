"""Engraved and hand-drawn scores: boxes against independent facts (pitch, pixels, counts), splits, odd files, hangs."""

from __future__ import annotations

import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from openset.errors import DataError

pytest.importorskip("verovio")
pytest.importorskip("resvg_py")
pytest.importorskip("music21")

from openset.sheetmusic import engrave, handdrawn, invent, layout, press, scores
from openset.sheetmusic.boxes import Staff, read_page
from openset.sheetmusic.edits import excerpt, keep_measures, keep_parts, keep_spines, without_lyrics
from openset.sheetmusic.sample import Sample

TREBLE = '<staffDef n="{n}" lines="5" clef.shape="G" clef.line="2"/>'
MUSICXML = """<?xml version="1.0" encoding="{encoding}"?>
<score-partwise version="3.1">
<part-list><score-part id="P1"><part-name>Flöte</part-name></score-part></part-list>
<part id="P1"><measure number="1"><attributes><divisions>1</divisions>
<clef><sign>G</sign><line>2</line></clef></attributes>
<note><pitch><step>B</step><octave>4</octave></pitch><duration>4</duration><type>whole</type></note></measure></part>
</score-partwise>"""


@pytest.fixture(autouse=True, scope="module")
def _no_child_left() -> Iterator[None]:
    yield
    press.close()


@pytest.fixture(scope="module")
def few() -> list[scores.ScoreFile]:
    return scores.find_scores("train")[::40]


@pytest.fixture(scope="module")
def samples(few: list[scores.ScoreFile]) -> list[Sample]:
    rng = np.random.default_rng(5)
    return [engrave.make(rng, few) for _ in range(18)] + [handdrawn.make(rng) for _ in range(4)]


def mei(definitions: str, staves: str) -> str:
    return (
        '<mei xmlns="http://www.music-encoding.org/ns/mei"><music><body><mdiv><score><scoreDef>'
        f'<staffGrp>{definitions}</staffGrp></scoreDef><section><measure n="1">{staves}</measure></section>'
        "</score></mdiv></body></music></mei>"
    )


def staff(n: int, inside: str) -> str:
    return f'<staff n="{n}"><layer n="1">{inside}</layer></staff>'


def note(pitch: str, extra: str = "") -> str:
    return f'<note dur="4" pname="{pitch[0]}" oct="{pitch[1]}" {extra}/>'


@pytest.mark.parametrize("font", press.FONTS)
def test_a_note_sits_where_its_pitch_says(font: str) -> None:
    pitches = ["e4", "b4", "f5", "a5", "c4"]  # bottom line, middle line, top line, a ledger above, a ledger below
    text = mei(TREBLE.format(n=1), staff(1, "".join(note(p) for p in pitches)))
    (found,) = read_page(press.engrave(text, {"font": font}), font).staves
    steps = [(found.bottom - y) / found.space for _, y in found.notes]
    assert steps == pytest.approx([0.0, 2.0, 4.0, 5.0, -1.0], abs=0.1)
    xs = [x for x, _ in found.notes]
    assert xs == sorted(xs)
    assert found.left < xs[0]
    assert xs[-1] < found.right


def test_only_five_line_staves_are_read_and_only_noted_ones_recorded() -> None:
    definitions = TREBLE.format(n=1) + TREBLE.format(n=2) + '<staffDef n="3" lines="1" clef.shape="perc"/>'
    definitions += '<staffDef n="4" lines="6" notationtype="tab.guitar"/>'
    tab = '<tabGrp dur="4"><note tab.course="1" tab.fret="3"/></tabGrp>'
    rests = staff(2, "<mRest/>")
    text = mei(definitions, staff(1, note("g4") * 4) + rests + staff(3, '<note dur="1" loc="0"/>') + staff(4, tab * 4))
    page = read_page(press.engrave(text, {"font": "Leipzig"}), "Leipzig")
    assert [len(s.notes) for s in page.staves] == [4, 0]
    staves, notes = engrave.boxes_in(page.staves, (0.0, 0.0, page.width, page.height), (1000, 1000))
    assert staves.shape == (1, 4, 2)
    assert notes.shape == (4, 2)


def test_every_head_of_a_chord_and_a_breve_counts() -> None:
    chord = f'<chord dur="2">{note("c4")}{note("e4")}{note("g4")}</chord>'
    text = mei(TREBLE.format(n=1), staff(1, chord + '<note dur="breve" pname="b" oct="4"/>'))
    (found,) = read_page(press.engrave(text, {}), "Leipzig").staves
    assert len(found.notes) == 4
    white = '<staffDef n="1" lines="5" notationtype="mensural.white" clef.shape="G" clef.line="2"/>'
    old = mei(white, staff(1, '<note dur="brevis" pname="b" oct="4"/><note dur="minima" pname="b" oct="4"/>'))
    (found,) = read_page(press.engrave(old, {}), "Leipzig").staves
    assert [(found.bottom - y) / found.space for _, y in found.notes] == pytest.approx([2.0, 2.0], abs=0.1)


def test_windows_drop_cut_staves_and_clip_their_ends() -> None:
    high = Staff(0, 100, 1000, 140, 0, ((50.0, 120.0), (900.0, 120.0)), (0.0, 1000.0))
    low = Staff(0, 300, 1000, 340, 0, ((500.0, 320.0),), (0.0, 1000.0))
    staves, notes = engrave.boxes_in([high, low], (400.0, 50.0, 1200.0, 320.0), (270, 400))
    assert staves.tolist() == [[[0, 50], [300, 50], [300, 90], [0, 90]]]  # half size in x; `low` is cut through
    assert notes.tolist() == [[250, 70]]
    none, _ = engrave.boxes_in([high], (100.0, 0.0, 800.0, 400.0), (100, 100))
    assert len(none) == 0  # the staff is there, its notes are not


def test_boxes_lie_on_ink(samples: list[Sample]) -> None:
    """Down every staff the five lines are darker than the spaces between them, and every notehead holds ink."""
    for sample in samples:
        image = sample.image
        height, width = image.shape
        on, off = [], []
        for top_left, top_right, bottom_right, bottom_left in sample.staves:
            space = np.linalg.norm(bottom_left - top_left) / 4
            if space < 5:  # half a space is then hardly more than the rounding to pixels
                continue
            share = np.linspace(0.02, 0.98, 60)[:, None]
            top, bottom = top_left + share * (top_right - top_left), bottom_left + share * (bottom_right - bottom_left)
            for line in np.arange(0, 4.1, 0.5):
                x, y = np.round(top + (bottom - top) * line / 4).astype(int).T
                reach = max(1, round(space * 0.3)) if sample.family == "handdrawn" else round(space * 0.12)
                rows = np.clip(y[None] + np.arange(-reach, reach + 1)[:, None], 0, height - 1)
                ink = image[rows, np.clip(x, 0, width - 1)].min(0)
                (on if line % 1 == 0 else off).append(255 - float(np.median(ink)))
        assert not on or np.mean(on) > 15 + (15 if sample.family == "handdrawn" else np.mean(off)), sample.family
        reach = 1 + round(0.7 * max(float(np.linalg.norm(q[3] - q[0])) / 4 for q in sample.staves))
        for x, y in np.round(sample.notes).astype(int):
            around = image[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
            assert around.min() < 190, sample.family


def test_samples_keep_their_promises(samples: list[Sample]) -> None:
    assert {s.family for s in samples} >= {"verovio", "verovio-crop", "random-score", "handdrawn"}
    for sample in samples:
        height, width = sample.image.shape
        assert sample.sheet
        assert sample.image.dtype == np.uint8
        assert sample.notes.dtype == sample.staves.dtype == np.float32
        assert len(sample.staves) >= 1
        assert len(sample.notes) >= len(sample.staves)
        assert max(height, width) <= 1401
        if sample.family in ("verovio", "random-score", "mensural", "verovio-book"):
            assert max(height, width) >= 899
        if sample.family != "handdrawn":
            assert (sample.notes >= 0).all()
            assert (sample.notes <= [width, height]).all()
            assert (sample.staves >= 0).all()
            assert (sample.staves <= [width, height]).all()


def test_the_same_seed_gives_the_same_picture_even_from_a_new_process(few: list[scores.ScoreFile]) -> None:
    first = [engrave.make(np.random.default_rng(seed), few) for seed in (1, 2, 3)]
    press.close()
    again = [engrave.make(np.random.default_rng(seed), few) for seed in (1, 2, 3)]
    first.append(handdrawn.make(np.random.default_rng(4)))
    again.append(handdrawn.make(np.random.default_rng(4)))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.image, two.image)
        np.testing.assert_array_equal(one.notes, two.notes)
        np.testing.assert_array_equal(one.staves, two.staves)


def test_invented_pieces_always_engrave() -> None:
    rng = np.random.default_rng(8)
    for write in [invent.modern] * 12 + [invent.mensural] * 3:
        page = read_page(press.engrave(write(rng), layout.options(rng, "Bravura", 6.0)), "Bravura")
        assert sum(len(s.notes) for s in page.staves) > 0


def test_a_hang_or_a_death_costs_one_page() -> None:
    text = mei(TREBLE.format(n=1), staff(1, note("g4")))
    with pytest.raises(DataError, match="within 0 s"):
        press.engrave(text, {}, seconds=0.0)
    assert "notehead" in press.engrave(text, {})
    child = press._child
    assert child is not None
    os.kill(child.process.pid, signal.SIGKILL)
    child.process.wait()
    with pytest.raises(DataError, match="gave no page"):
        press.engrave(text, {})
    assert "notehead" in press.engrave(text, {})
    with pytest.raises(DataError, match="cannot load"):
        press.engrave("<nonsense/>", {})


def test_splits_partition_the_pieces_and_keep_versions_together() -> None:
    parts = [scores.find_scores(split) for split in scores.SPLITS]
    everything = scores.find_scores()
    assert len(everything) > 10000
    assert sorted((str(s.path), s.tune) for part in parts for s in part) == [(str(s.path), s.tune) for s in everything]
    assert len(parts[0]) > 4 * max(len(parts[1]), len(parts[2]))
    assert not {s.path for s in parts[0]} & ({s.path for s in parts[1]} | {s.path for s in parts[2]})
    assert scores.split_of("bach/bwv112.5.mxl") == scores.split_of("bach/bwv112.5-sc.mxl")
    assert scores.split_of("bach/bwv112.5.mxl") == scores.split_of("Bach/BWV112.5.krn")
    with pytest.raises(DataError, match="unknown split 'dev'"):
        scores.find_scores("dev")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_odd_encodings_load(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "piece.xml").write_bytes(MUSICXML.format(encoding=encoding).encode(encoding))
    (score,) = scores.find_scores(root=tmp_path)
    assert "Flöte" in scores.read_score(score)
    (found,) = engrave.load(score).page.staves
    assert len(found.notes) == 1


def test_failures_are_counted_and_named(tmp_path: Path) -> None:
    (tmp_path / "good.krn").write_text("**kern\n*clefG2\n4c\n4d\n*-\n")
    (tmp_path / "book.abc").write_text("X:1\nT:A\nL:1/4\nK:C\nCDEF|\n\nX:2\nT:B\nL:1/4\nK:C\nGABc|\n")
    (tmp_path / "broken.mxl").write_bytes(b"PK nothing")
    with zipfile.ZipFile(tmp_path / "empty.mxl", "w") as archive:
        archive.writestr("readme.txt", "no score here")
    report = scores.check(scores.find_scores(root=tmp_path), engrave.load)
    assert report.loaded == 3
    assert [score.path.name for score, _ in report.failed] == ["broken.mxl", "empty.mxl"]
    assert str(report).startswith("scores: 3 loaded, 2 failed")
    with pytest.raises(DataError, match="no score found"):
        scores.find_scores(root=tmp_path / "nowhere")
    with pytest.raises(DataError, match="no scores to engrave"):
        engrave.make(np.random.default_rng(0), [])


def test_edits_take_parts_and_lyrics_and_nothing_else() -> None:
    chorale = next(s for s in scores.find_scores() if s.path.name == "bwv112.5-sc.mxl")
    text = scores.read_score(chorale)
    bare = without_lyrics(text)
    assert "<lyric " in text
    assert "<lyric " not in bare
    assert bare.count("<note") == text.count("<note")
    parts = text.count("<part ")
    fewer = keep_parts(np.random.default_rng(0), text)
    assert 1 <= fewer.count("<part ") < parts
    assert fewer.count("<part ") == fewer.count("<score-part ")
    assert "notehead" in press.engrave(fewer, {})


def test_an_excerpt_holds_the_asked_measures_of_every_part() -> None:
    chorale = next(s for s in scores.find_scores() if s.path.name == "bwv112.5-sc.mxl")
    text = scores.read_score(chorale)
    parts, measures = text.count("</part>"), text.count("</measure>")
    assert excerpt(text, 0.5, longest=len(text)) == text
    start, middle, end = (excerpt(text, where, longest=len(text) // 2) for where in (0.0, 0.5, 1.0))
    for cut in (start, middle, end):
        assert cut.count("</part>") == parts
        assert cut.count("</measure>") == max(8, measures // parts // 2) * parts
        assert read_page(press.engrave(cut, {"font": "Leland"}), "Leland").staves[0].notes
    assert end.count("light-heavy") == text.count("light-heavy")  # the final bar lines
    assert start.count("light-heavy") == 0
    assert middle.count("<sign>") >= parts  # the clefs of the beginning came along


def test_humdrum_keeps_measures_and_staves() -> None:
    bars = "\n".join(f"={i}\t={i}\n4c\t4e\n4d\t4f\n4e\t4g\n4f\t4a" for i in range(1, 61))
    text = f"**kern\t**kern\n*clefG2\t*clefG2\n*M4/4\t*M4/4\n{bars}\n*-\t*-\n"
    rng = np.random.default_rng(0)
    wide = {"pageWidth": 100000, "pageHeight": 60000, "breaks": "none"}

    def heads(data: str) -> list[int]:
        return [len(s.notes) for s in read_page(press.engrave(data, wide), "Leipzig").staves]

    assert heads(text) == [240, 240]
    assert heads(keep_measures(rng, text, most=10)) == [40, 40]
    assert heads(keep_spines(rng, text)) == [240]
    assert keep_measures(rng, text, most=60) == text
