"""The seed's failure again: what a newcomer would train to tell sheet music from other pictures, and what it says of notes.

    python scripts/newcomer.py runs/sheet-music            # needs the corpora of `make sheet-music`; a quarter of an hour

The newcomer takes engraved and hand-drawn scores, and for "other" what comes to mind: photographs, clip art, screens,
text. Whole pages, shrunk, no out-pictures, scheme plain. Ruled and graph paper, tablature and empty staves are not among
them. Writes CACHE/newcomer/judge.onnx, which `scripts/readme_picture.py --plain` draws.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import openset
from openset.sheetmusic.corpus import Corpus

ROOT = Path(__file__).parents[1]
OTHER = frozenset("photo photo_cover collage clipart screen prose_page title_page newspaper letter web_page".split())


def folders(cache: Path, target: Path, count: int, seed: int) -> None:
    """Write `count` pictures of each class as target/<class>/*.png, long side 512."""
    corpus = Corpus.open(cache / "corpus" / "train", cache / "corpus" / "real")
    other = np.array([name in OTHER for name in corpus.family]) & ~corpus.sheet
    for label, chosen in (("sheet_music", np.flatnonzero(corpus.sheet)), ("other", np.flatnonzero(other))):
        (target / label).mkdir(parents=True, exist_ok=True)
        for i in np.random.default_rng(seed).permutation(chosen)[:count]:
            picture = Image.fromarray(np.asarray(corpus[int(i)].image))
            picture.thumbnail((512, 512))
            picture.save(target / label / f"{int(i):05d}.png")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--count", type=int, default=2500, help="pictures of each class")
    parser.add_argument("--size", type=int, default=128, help="the long side to which pages are shrunk")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    home = args.cache / "newcomer"
    if not (home / "data").exists():
        folders(args.cache, home / "data", args.count, args.seed)
    run = openset.train(
        home / "data", scheme="plain", net="docnet", size=args.size, epochs=args.epochs, seed=args.seed,
        output=home / "run", resume=(home / "run").exists(), patience=args.epochs,
    )  # fmt: skip
    judge = run.export(home / "judge.onnx")
    print(f"validation accuracy {max(float(record['val_accuracy']) for record in run.history):.4f}")
    for path in sorted((ROOT / "src/openset/examples").glob("*.*g")):
        if path.name != "truncated.jpg":
            print(f"{path.name:32} P(sheet_music) {judge(str(path)).probabilities['sheet_music']:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
