"""Writes the judge's card, docs/sheet-music.md's tables and docs/sheet-music.json, the README's numbers, from what was measured.

Reads in the cache folder (a section whose file is missing stays as it stands if it is of the same judge, else it says "not measured";
a file of another judge is refused):
    pages.json           python scripts/sheet_card.py --measure pages     (made pictures: openset.sheetmusic.measure)
    noise.json           python scripts/sheet_card.py --measure noise     (attacked noise; needs the folder that the judge was built in)
    real.json            python scripts/real_pictures.py FOLDER --json runs/sheet-music/real.json
    real_plain.json      the same with --judge runs/sheet-music/plain.onnx, which --measure writes
    false_alarms.json    python scripts/false_alarms.py --json runs/sheet-music/false_alarms.json
    engravers.json       python scripts/false_alarms.py --engravers FOLDER --json runs/sheet-music/engravers.json
Usage: python scripts/sheet_card.py [--cache runs/sheet-music] [--measure pages] [--measure noise]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numbers_of import identity, keep
from numbers_of import kept as numbers

from openset import open_judge
from openset._words import markdown
from openset.metrics import auroc, auroc_interval, clopper_pearson

ROOT = Path(__file__).parents[1]
CARD = ROOT / "src/openset/sheetmusic/CARD.md"
DOCS = ROOT / "docs/sheet-music.md"
BEGIN, END = "<!-- measured:begin -->", "<!-- measured:end -->"
REAL_NOTE = "153 real photographs, scans, renderings and screenshots, looked at while the judge was made, which may have guided later choices of training pictures; never trained or thresholded on"
HIGH, SCRIPT = 0.95, "scripts/sheet_card.py"
Section = tuple[list[str], list[dict[str, Any]]]  # lines of the card, rows of the README
ROWS = {  # the sections' titles, in order, and how the names of their rows begin
    "### Real pictures (measured)": ("real pictures",),
    "### Library-like pages without music (measured)": ("library-like pages",),
    "### Engravers never trained on (measured)": ("unseen engraver",),
    "### Schemes on made pictures (measured)": ("families never trained on",),
    "### Noise under attack (searched)": ("noise attacked",),
}
REAL, LIBRARY, ENGRAVERS, MADE, NOISE = ROWS


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
    head = ["recall", "AUROC, trained families", "AUROC, unseen families", "false, trained", "false, unseen"]
    head += ["unseen above .95", "MMC scores", "MMC unseen"]
    lines = []
    for name, e in measured.items():
        cells = [f"{e['recall']:.3f}", three(e["auroc_seen"]), three(e["auroc_unseen"])]
        cells += ["{} of {}".format(*e["false_seen"]), "{} of {}".format(*e["false_unseen"]), str(e["above_95_unseen"])]
        lines.append([name, *cells, f"{e['mmc_scores']:.3f}", f"{e['mmc_unseen']:.3f}"])
    return markdown(["scheme", *head], lines)


def made_pictures(measured: Mapping[str, Any] | None) -> Section:
    head = [MADE, ""]
    if not measured:
        return [*head, "Not measured."], []
    shipped, plain = measured["shipped"], measured["plain"]
    left, most = shipped["scores_left_out"], shipped["n_scores"] + shipped["scores_left_out"]
    lines = [
        "Held-out scores, fonts and picture files, one seed. Each scheme at the threshold that gives it recall .97, the shipped",
        f"one at its own. MMC: mean max confidence. Of {most} scores {left} have fewer than three notes or a staff space below 2.8 of",
        "1,024 pixels: too small to be read, they are not counted.",
        "",
        *schemes(measured),
    ]
    for title, key, accepted in (
        ("Sheet music, by what made it", "rows_scores", "accepted"),
        ("Families never trained on", "rows_unseen", "accepted as sheet music"),
        ("Families trained on (other pictures of them)", "rows_seen", "accepted as sheet music"),
    ):
        lines += ["", f"### {title}", "", *families(shipped[key], accepted)]
    one = row("families never trained on: mean max confidence", shipped["mmc_unseen"], shipped["false_unseen"][1], SCRIPT,
              plain=plain["mmc_unseen"], digits=3)  # fmt: skip
    return head + lines, [one]


def attacked(noise: Mapping[str, Any] | None) -> Section:
    head = [NOISE, ""]
    if not noise:
        return [*head, "Not measured."], []
    shipped, plain = noise["shipped"], noise["plain"]
    lines = markdown(
        ["scheme", *(f"radius {eps}: mean / highest P(sheet music)" for eps in shipped)],
        [[name, *(f"{e['mean']:.3f} / {e['highest']:.3f}" for e in found.values())] for name, found in noise.items()],
    )
    said = f"{next(iter(shipped.values()))['n']} noise pictures at each radius: the worst over starts, gradient steps and random squares."
    rows = [
        row(f"noise attacked at {eps[1:]}: highest P(sheet music)", shipped[eps]["highest"], shipped[eps]["n"], SCRIPT,
            plain=plain[eps]["highest"], digits=3, kind="searched")
        for eps in ("0.1", "0.3")
    ]  # fmt: skip
    return [*head, said, "", *lines], rows


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
    parser.add_argument("--measure", action="append", default=[], choices=["pages", "noise"], help="measure this first")
    args = parser.parse_args()
    judge, whose = open_judge(args.judge), identity(args.judge)
    for what in args.measure:
        from openset.sheetmusic.build import SHIPPED
        from openset.sheetmusic.measure import on_noise, on_pages
        from openset.sheetmusic.plan import Plan

        shipped = SHIPPED if args.judge == "sheet-music" else Path(args.judge)
        measure = {"pages": on_pages, "noise": on_noise}[what]
        keep(args.cache / f"{what}.json", args.judge, measure(args.cache, Plan(), shipped, lambda line: print(line, flush=True)))  # fmt: skip

    def read(name: str, judge: str | None = whose) -> Any:
        return numbers(args.cache / f"{name}.json", judge)

    thresholds = judge.info.thresholds
    lines = [
        "Thresholds: "
        + "; ".join(
            f"`{label}` {t.value:.4f} (precision {t.precision} with probability {1 - t.delta:.2f}, where it makes up {t.prevalence} "
            "of the pictures)"
            for label, t in thresholds.items()
        )
        + f". Proved if {thresholds['sheet_music'].assumption}.",
    ]
    before, file = DOCS.read_text(), ROOT / "docs/sheet-music.json"
    story = json.loads(file.read_text())
    card = before[before.index(BEGIN) + len(BEGIN) : before.index(END)].strip("\n").split("\n")
    rows: list[dict[str, Any]] = []
    for title, needed, section in (
        (REAL, "real", lambda: real_pictures(read("real"), read("real_plain", None))),
        (LIBRARY, "false_alarms", lambda: library_pages(read("false_alarms"))),
        (ENGRAVERS, "engravers", lambda: other_engravers(read("engravers"))),
        (MADE, "pages", lambda: made_pictures(read("pages"))),
        (NOISE, "noise", lambda: attacked(read("noise"))),
    ):
        fresh = read(needed) or story["judge"] != whose
        more, made = section() if fresh else kept(title, card, story["rows"])
        lines, rows = [*lines, "", *more], rows + made
    text = "\n".join(lines)
    for page in (CARD, DOCS):
        old = page.read_text()
        begin, end = old.index(BEGIN) + len(BEGIN), old.index(END)
        page.write_text(old[:begin] + "\n" + text + "\n" + old[end:])
        print(f"{page}: written")
    facts = {
        "judge": whose,
        "date": judge.info.facts.get("date", ""),
        "pictures": "None of these pictures was trained on.",
        "rows": rows,
    }
    file.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
