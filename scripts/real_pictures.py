"""Judge a folder of real pictures, FOLDER/sheet_music and FOLDER/other, and print what came out, by category and source.

For checking only: nothing is fitted or chosen here. File names `category__owner__repo__NN.ext` give category and source.
Usage: python scripts/real_pictures.py FOLDER [--judge sheet-music] [--json OUT]
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from numbers_of import keep

from openset import open_judge
from openset.images import find
from openset.metrics import auroc, auroc_interval, clopper_pearson, mmc


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--judge", default="sheet-music")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not (args.folder / "sheet_music").is_dir() or not (args.folder / "other").is_dir():
        print(f"{args.folder}: needs the folders sheet_music and other; nothing was checked", file=sys.stderr)
        return 2
    judge = open_judge(args.judge)
    rows = []
    for truth in ("sheet_music", "other"):
        for d in judge.stream(find([str(args.folder / truth)])):
            name = Path(d.path).stem.split("__")
            rows.append(
                {
                    "file": Path(d.path).name,
                    "truth": truth,
                    "category": name[0],
                    "source": "/".join(name[1:3]),
                    "outcome": d.outcome,
                    "label": d.label,
                    "p": d.probabilities.get("sheet_music"),
                    "confidence": d.confidence,
                    "error": d.error,
                }
            )
    read = [r for r in rows if r["p"] is not None]
    yes = [r for r in read if r["truth"] == "sheet_music"]
    no = [r for r in read if r["truth"] == "other"]
    p_yes, p_no = [r["p"] for r in yes], [r["p"] for r in no]
    low, high = auroc_interval(p_yes, p_no)
    print(f"{len(yes)} sheet music, {len(no)} other, {len(rows) - len(read)} not judged")
    print(f"AUROC {auroc(p_yes, p_no):.4f} [{low:.4f}, {high:.4f}]")
    hit = sum(r["label"] == "sheet_music" for r in yes)
    false = sum(r["label"] == "sheet_music" for r in no)
    threshold = judge.info.thresholds.get("sheet_music")
    print(f"threshold {threshold.value if threshold else None}")
    print(f"recall {hit}/{len(yes)} {fmt(clopper_pearson(hit, len(yes)))}")
    accepted = hit + false
    print(f"precision {hit}/{accepted} {fmt(clopper_pearson(hit, accepted)) if accepted else '(nothing accepted)'}")
    print(f"others above .95 sheet music: {sum(p > 0.95 for p in p_no)}; highest {max(p_no):.4f}")
    print(f"others answered 'other': {sum(r['label'] == 'other' for r in no)}/{len(no)}")
    wrong = sum(r["label"] == "other" for r in yes)
    print(f"sheet music answered 'other': {wrong}/{len(yes)}")
    print(f"MMC sheet music {mmc([r['confidence'] for r in yes]):.3f}, other {mmc([r['confidence'] for r in no]):.3f}")
    for key in ("category", "source"):
        groups = defaultdict(list)
        for r in read:
            groups[(r["truth"], r[key])].append(r)
        print(f"\n{'truth':12} {key:44} {'n':>4} {'accepted as sheet':>18} {'P(sheet) min / median / max':>30}")
        for (truth, name), mine in sorted(groups.items()):
            p = sorted(r["p"] for r in mine)
            n = sum(r["label"] == "sheet_music" for r in mine)
            print(f"{truth:12} {name:44} {len(mine):4} {n:18} {p[0]:12.4f} / {p[len(p) // 2]:.4f} / {p[-1]:.4f}")
    print("\nlowest sheet music, highest other:")
    for r in sorted(yes, key=lambda r: r["p"])[:10] + sorted(no, key=lambda r: -r["p"])[:12]:
        print(f"  {r['p']:.4f} {r['truth']:12} {r['outcome']:9} {r['file']}")
    keep(args.json, args.judge, rows)
    return 0


def fmt(interval: tuple[float, float]) -> str:
    return f"[{interval[0]:.4f}, {interval[1]:.4f}]"


if __name__ == "__main__":
    raise SystemExit(main())
