"""Writes the judge's card, docs/sheet-music.md's tables and docs/sheet-music.json, the README's numbers, from what was measured.

Reads in the cache folder (a section whose file is missing stays as it stands if it is of the same judge, else it says "not measured"):
    measured.json        python scripts/sheet_card.py --measure   (made pictures: openset.sheetmusic.measure)
    real.json            python scripts/real_pictures.py FOLDER --json runs/sheet-music/real.json
    real_plain.json      the same with --judge runs/sheet-music/plain.onnx, which --measure writes
    false_alarms.json    python scripts/false_alarms.py --json runs/sheet-music/false_alarms.json
    engravers.json       python scripts/false_alarms.py --engravers FOLDER --json runs/sheet-music/engravers.json
Usage: python scripts/sheet_card.py [--cache runs/sheet-music] [--measure]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from openset import open_judge
from openset._words import markdown
from openset.metrics import auroc, auroc_interval, clopper_pearson

ROOT = Path(__file__).parents[1]
CARD = ROOT / "src/openset/sheetmusic/CARD.md"
DOCS = ROOT / "docs/sheet-music.md"
BEGIN, END = "<!-- measured:begin -->", "<!-- measured:end -->"
REAL_NOTE = "153 real photographs, scans, renderings and screenshots, looked at while the judge was made, which may have guided later choices of training pictures; never trained or thresholded on"
HIGH = 0.95
Section = tuple[list[str], list[dict[str, Any]]]  # lines of the card, rows of the README
ROWS = {  # the sections' titles, in order, and how the names of their rows begin
    "### Real pictures (measured)": ("real pictures",),
    "### Library-like pages without music (measured)": ("library-like pages",),
    "### Engravers never trained on (measured)": ("unseen engraver",),
    "### Schemes on made pictures (measured; attacks searched)": ("families never trained on", "noise attacked"),
}
REAL, LIBRARY, ENGRAVERS, MADE = ROWS


def share(k: int, n: int) -> str:
    low, high = clopper_pearson(k, n)
    return f"{k} of {n} ({k / n:.4f}, 95 % interval {low:.4f} to {high:.4f})"


def three(v: Sequence[float]) -> str:
    return f"{v[0]:.4f} ({v[1]:.4f} to {v[2]:.4f})"


def row(measure: str, shipped: float, n: int, script: str, *, plain: float | None = None, digits: int = 4,
        interval: Sequence[float] | None = None, kind: str = "measured") -> dict[str, Any]:  # fmt: skip
    """A row of the README, rounded."""
    return {
        "measure": measure,
        "plain": None if plain is None else round(plain, digits),
        "shipped": round(shipped, digits),
        "interval": interval and [round(x, digits) for x in interval],
        "n": n,
        "kind": kind,
        "script": script,
    }


def counted(measure: str, k: int, n: int, script: str, *, plain: float | None = None, digits: int = 4) -> dict[str, Any]:  # fmt: skip
    """The row of a share k of n."""
    return row(measure, k / n, n, script, plain=plain, digits=digits, interval=clopper_pearson(k, n))


def told(real: Sequence[Mapping[str, Any]], truth: str) -> list[float]:
    """P(sheet_music) of the readable pictures of that truth."""
    return [r["p"] for r in real if r["truth"] == truth and r["p"] is not None]


def real_pictures(real: Sequence[Mapping[str, Any]] | None, plain: Sequence[Mapping[str, Any]] | None) -> Section:
    """plain: what the plain net said of them, or nothing."""
    head = [REAL, "", f"{REAL_NOTE}.", ""]
    if not real:
        return [*head, "Not measured."], []
    script = "scripts/real_pictures.py"
    p, q = told(real, "sheet_music"), told(real, "other")
    hit, false, lost = (
        sum(r["label"] == label and r["truth"] == truth and r["p"] is not None for r in real)
        for label, truth in (("sheet_music", "sheet_music"), ("sheet_music", "other"), ("other", "sheet_music"))
    )
    value, (low, high) = auroc(p, q), auroc_interval(p, q)
    above, other = sum(x > HIGH for x in q), told(plain or [], "other")
    lines = [
        f"- AUROC {value:.4f} (95 % interval {low:.4f} to {high:.4f}), {len(p)} sheet music, {len(q)} other",
        f"- recall {share(hit, len(p))}",
        f"- precision {share(hit, hit + false)}",
        f"- others above .95: {above} of {len(q)}; the highest {max(q):.3f}",
        f"- sheet music answered `other`: {lost} of {len(p)}",
    ]
    first = auroc(told(plain, "sheet_music"), other) if plain else None
    rows = [
        row("real pictures: AUROC", value, len(p) + len(q), script, plain=first, interval=(low, high)),
        counted("real pictures: recall", hit, len(p), script),
        counted("real pictures: precision", hit, hit + false, script),
        counted("real pictures without music called sheet music above .95", above, len(q), script,
                plain=sum(x > HIGH for x in other) / len(other) if other else None),
    ]  # fmt: skip
    return head + lines, rows


def library_pages(alarms: Mapping[str, int] | None) -> Section:
    head = [LIBRARY, ""]
    if not alarms:
        return [*head, "Not measured."], []
    k, n = alarms["alarms"], alarms["pages"]
    line = f"False alarms at the shipped threshold: {share(k, n)}. Made by a composer that training does not use, with fonts it did not see; but kinds of training pictures were chosen after looking at an earlier judge's false alarms on 6,000 of these pages."
    return [*head, line], [counted("library-like pages: false alarms", k, n, "scripts/false_alarms.py", digits=6)]


def other_engravers(found: Mapping[str, Sequence[int]] | None) -> Section:
    head = [ENGRAVERS, ""]
    if not found:
        return [*head, "Not measured."], []
    lines = [f"- {name}: found {share(k, n)}" for name, (k, n) in found.items()]
    rows = [
        counted(f"unseen engraver {name}: recall", k, n, "scripts/false_alarms.py") for name, (k, n) in found.items()
    ]
    return head + lines, rows


def families(rows: Iterable[Mapping[str, Any]], accepted: str) -> list[str]:
    head = ["family", "n", accepted, "95 % interval", "above .95", "highest P", "mean max confidence"]
    return markdown(head, [
        [r["family"], str(r["n"]), str(r["accepted"]), f"{r['low']:.3f} to {r['high']:.3f}", str(r["above_95"]),
         f"{r['highest']:.3f}", f"{r['mmc']:.3f}"]
        for r in rows
    ])  # fmt: skip


def schemes(measured: Mapping[str, Any]) -> list[str]:
    radii = sorted(k for k in next(iter(measured["schemes"].values())) if k.startswith("noise_"))
    head = ["recall", "AUROC, trained families", "AUROC, unseen families", "false, trained", "false, unseen"]
    head += ["unseen above .95", "MMC scores", "MMC unseen"]
    head += [f"noise attacked at {r[6:]}: mean / highest" for r in radii]
    lines = []
    for name, e in measured["schemes"].items():
        cells = [f"{e['recall']:.3f}", three(e["auroc_seen"]), three(e["auroc_unseen"])]
        cells += ["{} of {}".format(*e["false_seen"]), "{} of {}".format(*e["false_unseen"]), str(e["above_95_unseen"])]
        cells += [f"{e['mmc_scores']:.3f}", f"{e['mmc_unseen']:.3f}"]
        cells += [f"{e[r]['mean']:.3f} / {e[r]['highest']:.3f}" for r in radii]
        lines.append([name, *cells])
    return markdown(["scheme", *head], lines)


def made_pictures(measured: Mapping[str, Any] | None) -> Section:
    head = [MADE, ""]
    if not measured:
        return [*head, "Not measured."], []
    shipped, plain = measured["schemes"]["shipped"], measured["schemes"]["plain"]
    lines = [
        "Held-out scores, fonts and picture files, one seed. Each scheme at the threshold that gives it recall .97, the shipped",
        "one at its own. MMC: mean max confidence. Attack: the worst over starts, gradient steps and random squares.",
        "",
        *schemes(measured),
    ]
    for title, key, accepted in (
        ("Sheet music, by what made it", "rows_scores", "accepted"),
        ("Families never trained on", "rows_unseen", "accepted as sheet music"),
        ("Families trained on (other pictures of them)", "rows_seen", "accepted as sheet music"),
    ):
        lines += ["", f"### {title}", "", *families(shipped[key], accepted)]
    script = "scripts/sheet_card.py"
    rows = [
        row("families never trained on: mean max confidence", shipped["mmc_unseen"], shipped["false_unseen"][1], script,
            plain=plain["mmc_unseen"], digits=3),
        *(row(f"noise attacked at {eps}: highest P(sheet music)", shipped[key]["highest"], shipped[key]["n"], script,
              plain=plain[key]["highest"], digits=3, kind="searched")
          for eps, key in ((".1", "noise_0.1"), (".3", "noise_0.3"))),
    ]  # fmt: skip
    return head + lines, rows


def kept(title: str, lines: Sequence[str], rows: Iterable[dict[str, Any]]) -> Section:
    """A section of an earlier card: from its title to the next one's, and its rows."""
    begin = lines.index(title)
    end = next((k for k in range(begin + 1, len(lines)) if lines[k] in ROWS), len(lines))
    text = "\n".join(lines[begin:end]).rstrip("\n")
    return text.split("\n"), [one for one in rows if one["measure"].startswith(ROWS[title])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, default=Path("runs/sheet-music"))
    parser.add_argument("--judge", default="sheet-music")
    parser.add_argument("--measure", action="store_true", help="measure on made pictures first (about an hour)")
    args = parser.parse_args()
    judge = open_judge(args.judge)
    threshold = judge.info.thresholds["sheet_music"]
    if args.measure:
        from openset.sheetmusic.build import SHIPPED, Plan
        from openset.sheetmusic.measure import measure

        shipped = SHIPPED if args.judge == "sheet-music" else Path(args.judge)
        measure(args.cache, Plan(), shipped, lambda line: print(line, flush=True))

    def read(name: str) -> Any:
        file = args.cache / f"{name}.json"
        return json.loads(file.read_text()) if file.exists() else None

    lines = [
        f"Threshold for `sheet_music`: {threshold.value:.4f}; precision {threshold.precision} with probability {1 - threshold.delta:.2f}, ",
        f"proved if {threshold.assumption}; prevalence {threshold.prevalence}.",
    ]
    before, story = DOCS.read_text(), ROOT / "docs/sheet-music.json"
    card = before[before.index(BEGIN) + len(BEGIN) : before.index(END)].strip("\n").split("\n")
    same, rows = card[: len(lines)] == lines, []
    for title, needed, section in (
        (REAL, "real", lambda: real_pictures(read("real"), read("real_plain"))),
        (LIBRARY, "false_alarms", lambda: library_pages(read("false_alarms"))),
        (ENGRAVERS, "engravers", lambda: other_engravers(read("engravers"))),
        (MADE, "measured", lambda: made_pictures(read("measured"))),
    ):
        fresh = read(needed) or not same
        more, made = section() if fresh else kept(title, card, json.loads(story.read_text())["rows"])
        lines, rows = [*lines, "", *more], rows + made
    text = "\n".join(lines)
    for file in (CARD, DOCS):
        old = file.read_text()
        begin, end = old.index(BEGIN) + len(BEGIN), old.index(END)
        file.write_text(old[:begin] + "\n" + text + "\n" + old[end:])
        print(f"{file}: written")
    facts = {
        "date": judge.info.facts.get("date", ""),
        "pictures": "None of these pictures was trained on.",
        "rows": rows,
    }
    story.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
