"""README and docs do what they say: every block of Python and every `openset` command in them runs, every link resolves.

Blocks run in a temporary folder with small drawn pictures; training is short (a few steps on pictures of 32 pixels),
whatever a page asks for. A ```text block after a block is its output; "..." stands for anything. A trailing
"# exit code N" is the exit code of a command that fails. A block under "<!-- not run: reason -->" is only read.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import doctest
import importlib
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import update_readme
from PIL import Image, ImageDraw
from typer.testing import CliRunner

import openset.training
from drawn import picture
from openset.cli import app
from openset.decide import fit_threshold, lower_bound, needed
from openset.errors import CalibrationError
from openset.judge import open_judge
from openset.judgefile import KEY
from openset.onnxbytes import read_model, with_entry
from openset.types import Finding, JudgeInfo, Preprocess, Threshold

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "openset"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, *(p for p in sorted(ROOT.glob("*.md")) if p.name != "README.md")]
TRAINS_ITSELF = {"README.md", "quickstart.md"}  # these make runs/mine and mine.onnx; others find them made
NOT_OURS = {"pip", "make", "git", "cd", "python", "."}  # installing and building: tested elsewhere
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\n+)?^```(?P<kind>\w+)\n(?P<code>.*?)^```$(?:\n+```text\n(?P<said>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)


@dataclasses.dataclass(frozen=True)
class Block:
    kind: str
    code: str
    line: int
    reason: str | None
    said: str | None


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(m["kind"], m["code"], text.count("\n", 0, m.start("code")) + 1, m["reason"], m["said"])
        for m in BLOCK.finditer(text)
    ]


def says(output: str, wanted: str) -> bool:
    """Is `output` what a page shows, white space aside, "..." being anything?"""
    parts = [re.escape(" ".join(part.split())) for part in wanted.split("...")]
    return re.fullmatch(r"\s*.*?\s*".join(parts), " ".join(output.split()), re.DOTALL) is not None


# --- the folder in which pages are run -----------------------------------------------------------------------------


def shade(seed: int, dark: bool) -> Image.Image:
    """A dark or a light picture, each seed another one."""
    soft = np.asarray(picture(seed), np.float32) / 3
    return Image.fromarray((soft if dark else soft + 170).astype(np.uint8))


def pets(folder: Path, seed: int, count: int, names: tuple[str, ...] = ("cat", "dog")) -> None:
    for k, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for n in range(count):
            shade(seed + 1000 * k + n, dark=name == "cat").save(folder / name / f"{n:03}.png")


def staves(seed: int) -> Image.Image:
    page = Image.new("L", (300, 400), 255)
    draw = ImageDraw.Draw(page)
    for y in range(30 + seed, 380, 60):
        for line in range(5):
            draw.line((20, y + 8 * line, 280, y + 8 * line), fill=0)
        for x in range(30, 270, 20 + seed):
            draw.ellipse((x, y + x % 30, x + 9, y + 7 + x % 30), fill=0)
    return page


def draw_bare(root: Path) -> None:
    """All the files that pages name, but for runs and judge files."""
    pets(root / "data", 0, 24)
    pets(root / "field", 10_000, 80)
    pets(root / "few", 20_000, 4)
    pets(root / "one", 30_000, 16, ("cat",))
    for name in ("others", "scans", "empty"):
        (root / name).mkdir()
    for n in range(16):
        picture(40_000 + n).save(root / "others" / f"{n}.png")
    for n in range(6):
        staves(n).save(root / "scans" / f"{n}.png")
    shade(50_000, dark=True).resize((100, 75)).save(root / "x.jpg", quality=95)
    (root / "truncated.jpg").write_bytes((root / "x.jpg").read_bytes()[:-200])
    Image.new("RGB", (5, 4), "red").save(root / "tiny.png")
    (root / "notes.onnx").write_text("These are my notes.\n")


def short(train: Callable[..., Any]) -> Callable[..., Any]:
    def trained(data: Any, **settings: Any) -> Any:
        settings["size"] = settings.get("size") or 32
        settings["epochs"] = min(settings.get("epochs") or 6, 6)
        return train(data, **settings | {"batch_size": 8, "attack_steps": 1, "threads": 1, "progress": False})

    return trained


@pytest.fixture(scope="module", autouse=True)
def short_training() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openset.training, "train", short(openset.training.train))
        yield


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bare")
    draw_bare(root)
    return root


@pytest.fixture(scope="module")
def made(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a run and judge files."""
    root = tmp_path_factory.mktemp("made") / "here"
    shutil.copytree(bare, root)
    run = openset.training.train(root / "data", out=[root / "others"], output=root / "runs" / "mine")
    run.export(root / "mine.onnx")
    shutil.copy(root / "mine.onnx", root / "judge.onnx")
    model = read_model(root / "mine.onnx")
    (root / "newer.onnx").write_bytes(with_entry(model, KEY, json.dumps({"schema": 2}).encode(), "newer"))
    return root


# --- running a page ------------------------------------------------------------------------------------------------


def run_page(page: Path, place: Path) -> dict[str, Any]:
    """Run the page's blocks in `place`, in order; gives the names its Python made."""
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        if block.reason is not None or block.kind not in ("python", "console", "sh"):
            continue
        where = f"{page.name}, line {block.line}"
        if block.kind == "python":
            output = run_python(block, where, names)
        else:
            output = "".join(run_command(line, where, place) for line in commands(block.code))
        if block.said is not None:
            assert says(output, block.said), f"{where}: shown is\n{block.said}\nbut it says\n{output}"
    return names


def run_python(block: Block, where: str, names: dict[str, Any]) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile("\n" * (block.line - 1) + block.code, where, "exec"), names)
    return said.getvalue()


def commands(code: str) -> list[str]:
    lines = code.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def run_command(line: str, where: str, place: Path) -> str:
    """The output of one line of shell."""
    wanted = re.search(r"#\s*exit code (\d+)", line)
    code = int(wanted[1]) if wanted else 0
    words = shlex.split(line, comments=True)
    if words[0] in NOT_OURS:
        return ""
    assert words[0] == "openset" or "| openset" in line, f"{where}: only `openset` is run here, not {line!r}"
    if set("|<>") & set(line):
        wrapper = place / ".bin" / "openset"
        if not wrapper.exists():
            wrapper.parent.mkdir()
            wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m openset "$@"\n')
            wrapper.chmod(0o755)
        shell = (
            f'set -o pipefail; PATH="{wrapper.parent}:$PATH"; export PYTHONPATH="{SOURCE.parent}:$PYTHONPATH"; {line}'
        )
        done = subprocess.run(["bash", "-c", shell], cwd=place, capture_output=True, text=True)
        assert done.returncode == code, f"{where}: {line!r} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr
    result = CliRunner().invoke(app, words[1:], prog_name="openset")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, f"{where}: {line!r} ended with {result.exit_code}\n{result.output}"
    return result.output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_runs(
    page: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "here"
    shutil.copytree(request.getfixturevalue("bare" if page.name in TRAINS_ITSELF else "made"), place)
    monkeypatch.chdir(place)
    names = run_page(page, place)
    if page.name == "flow.md":  # any ONNX runtime gives what openset gives
        ours = open_judge("judge.onnx")("x.jpg").probabilities
        assert names["p"] == pytest.approx(list(ours.values()), abs=1e-5)


def test_blocks_are_found_and_outputs_compared() -> None:
    found = [block for page in PAGES for block in blocks(page)]
    assert {"python", "console", "sh"} <= {block.kind for block in found}
    assert all(block.reason is None or len(block.reason) > 10 for block in found)
    assert says("a  b\nc d", "a b ... d")
    assert not says("a b c", "a b")


# --- what pages say of the code ------------------------------------------------------------------------------------


def without_code(text: str) -> str:
    return re.sub(r"```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """GitHub's anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`(?!\])", "", without_code(page.read_text(encoding="utf-8")))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), f"{page.name}: {target}"
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{page.name} links to {target!r}, which is not there"
        assert not anchor or anchor in anchors(there), f"{page.name} links to {target!r}: no such heading"


def test_the_flow_names_every_module_and_no_other() -> None:
    text = (ROOT / "docs" / "flow.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[\w]+/)*\w+\.py|(?:\w+/)+)`", text))
    for name in named:
        assert (SOURCE / name).exists(), f"flow.md names {name!r}, which is not there"
    rooms = ("data", "heads", "audit", "reproduce")
    public = {p.name for p in SOURCE.glob("*.py")} | {f"{r}/{p.name}" for r in rooms for p in (SOURCE / r).glob("*.py")}
    unnamed = {name for name in public if not Path(name).name.startswith("__")} - named
    assert not {name for name in unnamed if not name.startswith("_")}, "modules that flow.md leaves out"


def test_the_judge_files_fields_are_those_of_schema_1() -> None:
    text = (ROOT / "docs" / "flow.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w.\[\]]+)` \|", text, re.MULTILINE))

    def fields(parcel: type) -> set[str]:
        return {field.name for field in dataclasses.fields(parcel)}

    wanted = fields(JudgeInfo) - {"preprocess", "audit"} | {"audit"}
    wanted |= {f"preprocess.{name}" for name in fields(Preprocess)}
    wanted |= {f"thresholds.L.{name}" for name in fields(Threshold)}
    wanted |= {f"audit[].{name}" for name in fields(Finding)}
    assert named == wanted


def test_the_error_pages_tree_is_the_codes() -> None:
    tree = ast.parse((SOURCE / "errors.py").read_text(encoding="utf-8"))
    named = set(re.findall(r"\w+Error\b", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")))
    assert {node.name for node in tree.body if isinstance(node, ast.ClassDef)} <= named


# --- numbers -------------------------------------------------------------------------------------------------------


def table(name: str) -> list[list[str]]:
    """The rows of a table of calibration.md, without its head."""
    text = (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8")
    rows = text.split(f"<!-- table: {name} -->\n")[1].split("\n\n")[0].strip().splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_table_of_answers_needed() -> None:
    for precision, *cells in table("needed"):
        assert [int(cell) for cell in cells] == [needed(float(precision), delta) for delta in (0.05, 0.01)]


def test_table_of_answers_needed_with_wrong_ones() -> None:
    for precision, *cells in table("wrong"):
        for wrong, cell in zip((0, 1, 2, 5, 10), cells, strict=True):
            n = int(cell)
            assert lower_bound(n - wrong, n, 0.05) >= float(precision) > lower_bound(n - 1 - wrong, n - 1, 0.05)


def test_table_of_others_needed() -> None:
    for precision, prevalence, *cells in table("others"):
        for own, cell in zip((20, 100, 1000), cells, strict=True):

            def threshold(others: int, own: int = own, p: str = precision, share: str = prevalence) -> Threshold:
                right = np.arange(own + others) < own
                sure = np.where(right, 0.9, 0.1)
                rates = {"precision": float(p), "delta": 0.05, "prevalence": float(share)}
                return fit_threshold(sure, right, right, label="x", **rates)

            assert threshold(int(cell)).value == 0.9
            with pytest.raises(CalibrationError, match=f"at least {int(cell):,} others"):
                threshold(int(cell) - 1)


def test_the_readmes_numbers_are_those_measured() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    file = ROOT / "docs" / "sheet-music.json"
    if file.exists():
        facts = json.loads(file.read_text(encoding="utf-8"))
        assert update_readme.filled(readme, update_readme.table(facts)) == readme, "run scripts/update_readme.py"
    else:
        inside = readme.split(update_readme.BEGIN)[1].split(update_readme.END)[0]
        assert not re.search(r"\d", inside), "numbers in the README that no script measured"


def test_the_readmes_block_is_filled_once_and_for_all() -> None:
    row = {"measure": "recall", "plain": None, "shipped": 0.98764, "interval": [0.95, 1], "n": 1234}
    facts = {
        "judge": "0123456789abcdef",
        "date": "2026-11-25",
        "pictures": "On drawn pages.",
        "rows": [row | {"kind": "measured", "script": "scripts/real_pictures.py"}],
    }
    readme = f"before\n{update_readme.BEGIN}\nold\n{update_readme.END}\nafter\n"
    new = update_readme.filled(readme, update_readme.table(facts))
    assert "| recall |  | 0.9876 (0.95 to 1) | 1,234 | measured |" in new
    assert "old" not in new
    assert update_readme.filled(new, update_readme.table(facts)) == new
    with pytest.raises(ValueError, match="guessed"):
        update_readme.table(facts | {"rows": [facts["rows"][0] | {"kind": "guessed"}]})
    with pytest.raises(ValueError, match="it needs"):
        update_readme.table({"rows": []})
    with pytest.raises(ValueError, match="once"):
        update_readme.filled("no markers", "text")


# --- docstrings ----------------------------------------------------------------------------------------------------

EXAMPLES = [p for p in sorted(SOURCE.rglob("*.py")) if ">>> " in p.read_text(encoding="utf-8")]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_examples_in_docstrings(file: Path) -> None:
    name = ".".join(("openset", *file.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted
    assert not result.failed
