"""The tables of `choosing.py` out of its cells, as Markdown, and where they go in a page."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from choosing_heads import HEADS
from choosing_material import Task, loud_from
from choosing_sheets import Sheets
from openset._words import counted, markdown
from openset.errors import TrainingError
from openset.reproduce.trained import ALL_SCHEMES
from openset.runfile import write_atomic

Cell = dict[str, Any]
TASKS: dict[str, type[Task]] = {"fashion-mnist": Task, "mnist": Task, "sheet-music": Sheets}
NOTE = """More than plain: of the error, against the plain net of the same seed. In a cell: the mean over seeds ± half of Student's 95 % interval from three seeds on; (least to most) of two; one seed's number
stands alone. Intervals are not cut at 0 and 1. In cells of before 2026-11-29 all classes tied where a guard believed nothing, and the first was its answer, right or wrong. Seeds draw weights, batches and what teaches; the pictures that measure stay the same."""
UNSEEN_NOTE = """From above: AUROC, AUPR (in positive; by chance {chance}, the share of those inside), FPR@95 with in positive (the papers'), FPR@95 with out
positive (OpenOOD's)."""
LAST_NOTE = """Noise: the same pictures before the attack; no gradient: the share of them at which confidence has none, so that gradient attacks begin
blind. Attack: the worst over all families inside l_inf .3 around the paper's noise, searched from below; in brackets the family with the highest mean. Odds climbed too: mean, share {loud} and maximum with
points beside them that were found by climbing a guard's odds, which have a gradient where its confidence has none. Far
away, along rays of noise: "1 on x %": the share of rays that end at confidence 1, since one class outgrows the others (followed exactly, in float64); "at most": proved, from 1,000 times the picture on.
Balls: the mean proved highest confidence in l_inf balls of .01, .05, .1 around unseen pictures, from above. Training and inference: CPU time, plain without a head = 1;
of a scheme's training and of a head's the median over its cells, as clocks differ."""
FAMILY_NOTE = """Each family alone: the mean over the pictures of the highest confidence that it found; where cells keep them, also the share of pictures {loud} and
the highest of all. "-": not run, as there is no head to transfer to or no picture to project."""
SAME_ANSWERS = ("temperature", "density", "certified")  # heads that change no answer of the net


def read_cells(results: Path, dataset: str) -> dict[tuple[str, str], list[Cell]]:
    """(scheme, head) -> its cells by seed, in the tables' order; only what is there. Raises TrainingError for a mix of settings."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for scheme in ALL_SCHEMES:
        for head in HEADS:
            files = results.glob(f"{dataset}-{scheme}-{head}-*.json")
            cells = sorted((json.loads(file.read_text()) for file in files), key=lambda cell: int(cell["seed"]))
            if cells:
                found[scheme, head] = cells
    _even_costs(found)
    if len({json.dumps(cell["settings"], sort_keys=True) for cells in found.values() for cell in cells}) > 1:
        raise TrainingError(
            f"the cells of {dataset} in '{results}' were made with different settings: remove those of one"
        )
    return found


def _even_costs(found: dict[tuple[str, str], list[Cell]]) -> None:
    """One cost of a scheme's training and one of a head's, relative to plain's beside it: neither makes the other cheaper."""
    good = [(pair, c["training"]) for pair, cells in found.items() for c in cells if c["failed"] is None]
    for (scheme, head), told in good:
        own = np.median([t["scheme"] / t["plain"] for (name, _), t in good if name == scheme])
        told["ratio"] = float(own + np.median([t["head"] / t["plain"] for (_, name), t in good if name == head]))


def _odd(found: dict[tuple[str, str], list[Cell]]) -> str:
    """In words, the cells whose error is not that of the bare net though their head changes no answer."""
    bare = {(scheme, c["seed"]): c for (scheme, head), cells in found.items() if head == "none" for c in cells}
    odd = [
        f"{scheme} {head} {c['seed']} ({100 * c['error']:.2f} for {100 * bare[scheme, c['seed']]['error']:.2f} %)"
        for (scheme, head), cells in found.items() if head in SAME_ANSWERS
        for c in cells
        if c["failed"] is None and (scheme, c["seed"]) in bare and abs(c["error"] - bare[scheme, c["seed"]]["error"]) > 1e-9
    ]  # fmt: skip
    if not odd:
        return ""
    return f" Heads that change no answer, and yet another error than the bare net's: cells of before 2026-11-29, or of another training of the same seed: {', '.join(odd)}."


def t_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The mean of at least two values and half the width of Student's interval for the mean of all seeds."""
    n = len(values)
    spread = float(np.std(values, ddof=1)) / math.sqrt(n)
    return float(np.mean(values)), float(student.ppf((1 + level) / 2, n - 1)) * spread


def figure(values: Sequence[float], digits: int = 3) -> str:
    """Mean ± half an interval of three values or more, mean (least to most) of two, the value of one."""
    if len(values) > 2:
        mean, half = t_interval(values)
        return f"{mean:.{digits}f} ±{half:.{digits}f}"
    middle = f"{float(np.mean(values)):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def tables(results: Path, dataset: str) -> str:
    """Four tables with their notes, or "Not measured yet."."""
    found = read_cells(results, dataset)
    if not found:
        return "Not measured yet."
    first = next(cell for cells in found.values() for cell in cells if cell["failed"] is None)
    sets = tuple(first["unseen"])
    balls = max((tuple(c["balls"]) for cells in found.values() for c in cells if c.get("balls")), key=len, default=())
    families = list(
        dict.fromkeys(name for cells in found.values() for c in cells for name in c.get("attacked", {}).get("by", ()))
    )
    loud = f"above {loud_from(TASKS[dataset].classes):.2f}"
    seeds = Counter(sum(cell["failed"] is None for cell in cells) for cells in found.values())
    counts = ", ".join(f"{rows} rows of {n}" for n, rows in sorted(seeds.items()))
    return "\n\n".join(
        [
            "**Accuracy and confidence**",
            _table(
                found,
                ["error, %", "more than plain", "ECE", "MMC inside", *(f"MMC {name}" for name in sets)],
                _confidence(sets, {c["seed"]: c["error"] for c in found.get(("plain", "none"), [])}),
            ),
            f"{NOTE}{_odd(found)} Seeds: {counts}.",
            "**Unseen pictures told from the classes**",
            _table(found, list(sets), _apart(sets)),
            UNSEEN_NOTE.format(chance=_chance(first)),
            "**Noise under attack, proofs, cost**",
            _table(
                found,
                ["noise", "no gradient", "attacked: mean", loud, "highest", "odds climbed too", "far away", *(f"balls: {name}" for name in balls),
                 "training", "inference"],
                _hard(balls),
            ),
            LAST_NOTE.format(loud=loud),
            "**Noise, family by family**",
            _table(found, families, _by_family(families)),
            FAMILY_NOTE.format(loud=loud),
        ]
    )  # fmt: skip


def summary(results: Path, dataset: str) -> str:
    """One short table: each scheme alone and with the certified guard, at its worst unseen set; or "Not measured yet."."""
    found = {pair: cells for pair, cells in read_cells(results, dataset).items() if pair[1] in ("none", "certified")}
    if not found:
        return "Not measured yet."
    columns = ["seeds", "error, %", "MMC inside", "AUROC, worst unseen set", "noise attacked at .3", "far away", "proved at .05",
               "training"]  # fmt: skip
    return f"{_table(found, columns, _briefly)}\n\n{_odd(found).strip()}".rstrip()


def _briefly(cells: list[Cell]) -> list[str]:
    unseen = cells[0]["unseen"]
    aurocs = {name: [c["unseen"][name]["auroc"] for c in cells] for name in unseen}
    worst = min(aurocs, key=lambda name: float(np.mean(aurocs[name])))
    balls: dict[str, list[float]] = {}
    for name, bounds in (item for c in cells for item in (c["balls"] or {}).items()):
        balls.setdefault(name, []).append(bounds["0.05"])
    near = max(balls, key=lambda name: float(np.mean(balls[name])), default="")
    return [
        str(len(cells)),
        figure([100 * c["error"] for c in cells], 2),
        figure([c["mmc"] for c in cells]),
        f"{figure(aurocs[worst])} ({worst})",
        figure([c["attacked"]["mean"] for c in cells]),
        _far([c["far"] for c in cells]),
        f"{figure(balls[near])} ({near})" if near else "1",
        f"{cells[0]['training']['ratio']:.1f}",
    ]


def _table(found: dict[tuple[str, str], list[Cell]], columns: list[str], row: Callable[[list[Cell]], list[str]]) -> str:
    lines = []
    for (scheme, head), cells in found.items():
        good = [cell for cell in cells if cell["failed"] is None]
        said = row(good) if good else ["-"] * len(columns)
        bad = (
            f" (not to be fitted for {len(cells) - len(good)} of {len(cells)} seeds)" if len(good) < len(cells) else ""
        )
        lines.append([scheme, f"{head}{bad}", *said])
    return "\n".join(markdown(["scheme", "head", *columns], lines))


def _confidence(sets: Sequence[str], plain: dict[int, float]) -> Callable[[list[Cell]], list[str]]:
    def row(cells: list[Cell]) -> list[str]:
        more = [100 * (c["error"] - plain[c["seed"]]) for c in cells if c["seed"] in plain]
        own = [figure([100 * c["error"] for c in cells], 2), figure(more, 2) if more else "-"]
        own += [figure([c[name] for c in cells]) for name in ("ece", "mmc")]
        return own + [figure([c["unseen"][name]["mmc"] for c in cells]) for name in sets]

    return row


def _apart(sets: Sequence[str]) -> Callable[[list[Cell]], list[str]]:
    def row(cells: list[Cell]) -> list[str]:
        measures = ("auroc", "aupr", "fpr_in", "fpr_out")
        return ["<br>".join(figure([c["unseen"][name][m] for c in cells], 4) for m in measures) for name in sets]

    return row


def _hard(balls: Sequence[str]) -> Callable[[list[Cell]], list[str]]:
    def row(cells: list[Cell]) -> list[str]:
        families = Counter(c["attacked"]["family"] for c in cells)
        told = {name: figure([c["attacked"][name] for c in cells]) for name in ("noise", "mean", "above", "highest")}
        return [
            told["noise"],
            f"{100 * float(np.mean([c['attacked']['vanished'] for c in cells])):.0f} %",
            f"{told['mean']} ({', '.join(families)})",
            told["above"],
            told["highest"],
            _climbed([c["attacked"]["odds climbed"] for c in cells if "odds climbed" in c["attacked"]]),
            _far([c["far"] for c in cells]),
            *(_balls([c["balls"] for c in cells], name) for name in balls),
            f"{cells[0]['training']['ratio']:.2f}",
            figure([c["inference"] for c in cells], 2),
        ]

    return row


def _climbed(found: list[dict[str, float]]) -> str:
    """Mean, share and maximum, where they were measured; of how many seeds, where not of three."""
    if not found:
        return "-"
    told = "<br>".join(figure([each[name] for each in found]) for name in ("mean", "above", "highest"))
    return told if len(found) > 2 else f"{told}<br>({counted(len(found), 'seed')})"


def _by_family(families: Sequence[str]) -> Callable[[list[Cell]], list[str]]:
    def row(cells: list[Cell]) -> list[str]:
        made = []
        for name in families:
            tried = [c["attacked"] for c in cells if name in c["attacked"]["by"]]
            said = [figure([found["by"][name] for found in tried])] if tried else ["-"]
            for more in ("by above", "by highest"):
                kept = [found[more][name] for found in tried if more in found]
                said += [figure(kept)] if kept else []
            made.append("<br>".join(said))
        return made

    return row


def _chance(cell: Cell) -> str:
    """What a coin's AUPR is against each set."""
    rates = {name: cell["n"] / (cell["n"] + told["n"]) for name, told in cell["unseen"].items()}
    return ", ".join(sorted({f"{rate:.2f}" for rate in rates.values()}))


def _far(found: list[dict[str, float] | None]) -> str:
    told = [far for far in found if far is not None]
    if not told:
        return "nothing proved"
    if "sure" in told[0]:
        return f"1 on {figure([100 * far['sure'] for far in told], 1)} %"
    return f"at most {figure([far['bound'] for far in told])}"


def _balls(found: list[dict[str, dict[str, float]] | None], name: str) -> str:
    told = [balls[name] for balls in found if balls is not None and name in balls]  # older cells lack a set
    if not told:
        return "1 (nothing proved)"
    return "<br>".join(figure([bounds[eps] for bounds in told]) for eps in told[0])


def fill(page: Path, block: str, content: str) -> None:
    """`content` between the block's marks in the page; a page that is not there holds it alone. Raises ValueError without marks."""
    begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
    if not page.exists():
        write_atomic(page, f"{begin}\n{content}\n{end}\n".encode())
        return
    text = page.read_text(encoding="utf-8")
    a, b = text.index(begin) + len(begin), text.index(end)
    write_atomic(page, f"{text[:a]}\n{content}\n{text[b:]}".encode())
