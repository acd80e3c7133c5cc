"""Draws docs/images/demo.png: bundled pictures with what a plain net says of them and what the shipped judge answers.

    python scripts/readme_picture.py --plain runs/sheet-music/newcomer/judge.onnx

The plain net is the one that `scripts/newcomer.py` trains. Confidences are written as `openset predict` writes them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from openset import Judge, open_judge
from openset._words import shown
from openset.images import load

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "src/openset/examples"
PICTURES = (
    "score-photographed.jpg",
    "score-old-print.jpg",
    "notes-on-ruled-paper.jpg",
    "graph-paper-notes.jpg",
    "guitar-tablature.png",
    "empty-staves.jpg",
)
CELL, TEXT, GAP = 250, 74, 16
INK, MUTED, PAPER, BAD, GOOD = "#1b1b1f", "#5c5c66", "#ffffff", "#b3261e", "#1a6b3c"


def says(judge: Judge, path: Path, plain: bool) -> tuple[str, bool]:
    """What is written under the picture, and whether it is wrong and strong."""
    d = judge(str(path))
    p = d.probabilities["sheet_music"]
    music = path.name.startswith("score")
    if plain:
        answer = "sheet music" if p >= 0.5 else "other"
        return f"{answer} {shown(max(p, 1 - p))}", (p >= 0.5) != music
    answer = {"sheet_music": "sheet music", "other": "other"}.get(d.label or "", "unknown")
    return answer + (f" {shown(d.confidence)}" if d.label and d.confidence else ""), answer == (
        "other" if music else "sheet music"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--plain", type=Path, required=True, help="judge file of the plain net")
    parser.add_argument("--judge", default="sheet-music")
    args = parser.parse_args()
    plain, judge = open_judge(args.plain), open_judge(args.judge)
    wide = len(PICTURES) * (CELL + GAP) + GAP
    sheet = Image.new("RGB", (wide, CELL + TEXT + 2 * GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(17)
    for k, name in enumerate(PICTURES):
        x, y = GAP + k * (CELL + GAP), GAP
        picture = Image.fromarray(load(EXAMPLES / name))
        picture.thumbnail((CELL, CELL))
        sheet.paste(picture, (x + (CELL - picture.width) // 2, y + (CELL - picture.height) // 2))
        draw.rectangle((x - 1, y - 1, x + CELL, y + CELL), outline="#d0d0d6")
        for row, (who, (text, wrong)) in enumerate(
            (("plain", says(plain, EXAMPLES / name, True)), ("openset", says(judge, EXAMPLES / name, False)))
        ):
            top = y + CELL + 10 + 30 * row
            draw.text((x, top), who, fill=MUTED, font=font)
            draw.text((x + 78, top), text, fill=BAD if wrong else GOOD, font=font)
    target = ROOT / "docs/images/demo.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(128).save(target, optimize=True)
    print(target)


if __name__ == "__main__":
    main()
