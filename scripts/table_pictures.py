"""The picture of Table 1: how sure plain, CEDA and ACET are inside, on another data set, on noise and where attacked.

    python scripts/table_pictures.py mnist        # after `openset reproduce table1 --dataset mnist`; some seconds

Reads the confidences that the command kept, draws histograms, computes nothing else. Writes docs/images/table1-NAME.png.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from openset.reproduce.papers import ADVERSARIAL, ATTACKED, NOISE
from openset.reproduce.trained import SCHEDULES, SCHEMES, Scheme, home_of, shortened
from openset.runfile import read_tensors

matplotlib.use("Agg")
import matplotlib.pyplot as plt

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WORDS = {"plain": "plain", "ceda": "CEDA", "acet": "ACET"}
COLOURS = ("#1b6e4f", "#3b6ea5", "#8a8a8a", "#b3402f", "#d08a2e")
OTHER = {"mnist": "fashion-mnist", "fashion-mnist": "mnist", "svhn": "cifar10", "cifar10": "svhn", "cifar100": "svhn"}


def kept(home: Path, name: str) -> NDArray[np.float64] | None:
    """The set's confidences, of the largest count that was measured; None where there are none."""
    stem = name.replace(" ", "-")
    files = {
        f: f.stem.removeprefix(f"{stem}-").partition("-of-")[0] for f in (home / "scores").glob(f"{stem}-*.safetensors")
    }
    files = {f: count for f, count in files.items() if count.isdigit()}
    if not files:
        return None
    largest = max(files, key=lambda f: int(files[f]))
    values: NDArray[np.float64] = read_tensors(largest)[0][name].numpy()
    return values if len(values) else None


def picture(dataset: str, homes: dict[Scheme, Path], note: str, target: Path) -> None:
    """A column a scheme, a row a set; each bar the share of pictures whose confidence falls there."""
    sets = {"in": f"{dataset} (test)", OTHER[dataset]: OTHER[dataset], NOISE: NOISE, ATTACKED: ATTACKED}
    sets |= {ADVERSARIAL: "adversarial samples\n(no longer right)"}
    sets = {name: word for name, word in sets.items() if any(kept(home, name) is not None for home in homes.values())}
    figure, axes = plt.subplots(
        len(sets), len(homes), figsize=(3.1 * len(homes) + 0.6, 1.25 * len(sets) + 0.7), sharex=True, sharey=True
    )
    axes = np.asarray(axes).reshape(len(sets), len(homes))
    for row, (name, word) in enumerate(sets.items()):
        for column, (scheme, home) in enumerate(homes.items()):
            axis, values = axes[row, column], kept(home, name)
            axis.spines[["top", "right"]].set_visible(False)
            axis.set(xlim=(0, 1.005), ylim=(0, 1.08), yticks=(0, 0.5, 1), xticks=(0, 0.25, 0.5, 0.75, 1))
            axis.tick_params(labelsize=8)
            if values is not None:
                share = np.full(len(values), 1 / len(values))
                axis.hist(values, bins=np.linspace(0, 1, 41).tolist(), weights=share, color=COLOURS[row])
                middle = values.mean()
                axis.axvline(middle, color="black", lw=0.8, ls=":")
                side = -0.03 if middle > 0.5 else 0.04
                where = "right" if middle > 0.5 else "left"
                axis.text(middle + side, 1.0, f"mean {middle:.3f}", ha=where, va="top", fontsize=8)
            if row == 0:
                axis.set_title(WORDS[scheme], fontsize=10)
            if column == 0:
                axis.set_ylabel(word, fontsize=8, rotation=0, ha="right", va="center", labelpad=8)
            if row == len(sets) - 1:
                axis.set_xlabel("confidence", fontsize=8)
    figure.suptitle(note, fontsize=9)
    figure.tight_layout()
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=130)
    print(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=sorted(OTHER))
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduce"))
    parser.add_argument("--schedule", choices=sorted(SCHEDULES), default="short")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    schedule = shortened(SCHEDULES[given.schedule], given.epochs)
    homes = {scheme: home_of(given.runs, given.dataset, scheme, schedule, given.seed) for scheme in SCHEMES}
    homes = {scheme: home for scheme, home in homes.items() if (home / "scores").is_dir()}
    if not homes:
        raise SystemExit(f"{given.runs} holds no confidences: run `openset reproduce table1 --dataset {given.dataset}`")
    note = f"{given.dataset}, schedule {schedule.name}, seed {given.seed}: share of pictures by confidence"
    picture(given.dataset, homes, note, given.output or IMAGES / f"table1-{given.dataset}.png")


if __name__ == "__main__":
    main()
