"""`openset calibrate`: from pictures with known classes to thresholds with a promise, stored in the judge file.

DATA/<class>/... holds pictures the judge was not trained on, a folder for each of its labels; out folders hold pictures
that are no class, so that accepting any of them is wrong. The promise, its proof and its simulation: decide.py and
bounds.py. It holds for pictures drawn like those given, each on its own; this assumption is stored with each threshold.
Copies of one picture are not drawn each on its own: one file given twice is refused, files of the same bytes are counted in the
assumption, and refused where they are most of a label's; `openset check` finds the others, in files that differ.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ._field import OTHER, check_names, composed, shares
from ._words import counted
from .bounds import check_rates
from .data.layout import SIDES, remarks, survey
from .data.walk import Found, told, walk
from .decide import fit_thresholds
from .errors import CalibrationError, DataError, JudgeFileError
from .images import split_page
from .judge import SHIPPED, Judge, open_judge
from .judgefile import write_info
from .onnxbytes import check_target
from .types import Decision, Threshold

NO_CLASS = -1

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What `calibrate` found and stored.

    thresholds: those now in the judge file, by label. skipped: label -> why it has none; what it had before is
    gone, and its pictures are "unknown". n: pictures judged. unreadable: (file, why), not counted in n.
    notes: what lay in DATA and was passed over. output: the judge file written.
    """

    thresholds: Mapping[str, Threshold]
    skipped: Mapping[str, str]
    n: int
    unreadable: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    assumption: str
    output: str

    def lines(self) -> Iterator[str]:
        """The report for people, a line at a time."""
        for label, t in self.thresholds.items():
            field = "" if t.prevalence is None else f" where it makes up {t.prevalence} of the pictures"
            yield (
                f"{label}: threshold {t.value:.6g} keeps a precision of at least {t.precision}{field}, but for "
                f"a chance of {t.delta}. Here it accepts {counted(t.accepted, 'picture')}, {t.wrong} of them wrongly, and "
                f"{t.coverage:.1%} of its own class."
            )
        for label, why in self.skipped.items():
            yield f"{label}: no threshold, so it is always answered with unknown. {why}"
        if self.thresholds:
            yield f"This holds if {self.assumption}."
        for path, why in self.unreadable:
            yield f"unreadable, not counted: {path!r}: {why}"
        yield from self.notes
        yield f"{counted(self.n, 'picture')} judged, {len(self.unreadable)} unreadable; thresholds written to {self.output!r}."


def calibrate(
    judge_path: PathLike,
    data: PathLike,
    *,
    precision: float,
    delta: float,
    prevalence: float | Mapping[str, float] | None = None,
    out: PathLike | Sequence[PathLike] = (),
    output: PathLike | None = None,
    progress: bool = False,
) -> CalibrationReport:
    """Fit a threshold for each label of a judge and store them in its file, in place of those it has.

    judge_path: a judge file, or a shipped name (then `output` is needed). data: DATA/<class>/..., one folder for each
    label. out: folders of pictures that are no class; for a judge with the label "other" and no DATA/other, they are
    the pictures of "other". prevalence: see `shares`. output: the judge file to write, by default judge_path itself,
    replaced in one step. progress: a bar on standard error.

    Raises DataError when folders and labels do not match or a picture is given twice; CalibrationError when no label
    gets a threshold (nothing is written then); JudgeFileError, also before judging where `output` cannot be written.
    """
    name = os.fspath(judge_path)
    if name in SHIPPED and output is None:
        raise JudgeFileError(
            f"the shipped judge {name!r} is not changed in place. Give the file to write the calibrated judge to with "
            '--output FILE (in Python: output="FILE").'
        )
    judge = open_judge(judge_path)
    field = shares(judge.labels, prevalence)
    check_rates(precision, delta, None)  # before judging thousands of pictures
    target = os.fspath(output) if output is not None else name
    check_target(target)
    outs = [out] if isinstance(out, str | os.PathLike) else list(out)
    paths, truth, notes = _pictures(judge.labels, os.fspath(data), [os.fspath(folder) for folder in outs])
    copies = _copies(paths, truth, judge.labels)
    decisions = list(_judged(judge, paths, progress))
    read = [(d, y) for d, y in zip(decisions, truth, strict=True) if d.outcome != "error"]
    assumption = _assumption([data, *outs], prevalence is not None, copies)
    thresholds, skipped = fit_thresholds(
        _rows([d for d, _ in read], judge.labels),
        np.array([y for _, y in read], dtype=np.int64),
        judge.labels,
        precision=precision,
        delta=delta,
        prevalence=field,
        assumption=assumption,
    )
    unreadable = tuple((d.path, d.error or d.why) for d in decisions if d.outcome == "error")
    if not thresholds:
        lost = f" Of {counted(len(paths), 'picture')}, {len(unreadable):,} could not be read." if unreadable else ""
        raise CalibrationError("\n".join(skipped.values()) + lost + f" {name!r} is left as it was.")
    facts = {**judge.info.facts, "no_threshold": skipped}
    write_info(_file(name), target, replace(judge.info, thresholds=thresholds, facts=facts))
    return CalibrationReport(thresholds, skipped, len(read), unreadable, notes, assumption, target)


def _pictures(labels: Sequence[str], data: str, outs: Sequence[str]) -> tuple[list[str], list[int], tuple[str, ...]]:
    """(paths, the label's index of each or NO_CLASS, notes). Raises DataError."""
    labels, found = composed(labels), survey(data)
    if "" not in found.sides:
        raise DataError(
            f"{data!r} holds {', '.join(f'{side}/' for side in found.sides)}. Calibrate on pictures that were not "
            f"trained on: give {os.path.join(data, 'test')!r}, or the folder of the test part."
        )
    classes = found.sides[""]
    out_class = labels.index(OTHER) if outs and OTHER in labels and OTHER not in classes else NO_CLASS
    wanted = [label for k, label in enumerate(labels) if k != out_class]
    rest = "Name them exactly as the labels; pictures of no class go into an out folder (--out DIR)"
    if any(name.lower() in SIDES for name in classes if name not in wanted):
        rest += ". Give one part of the split, such as test/"
    check_names(f"{data!r} has class folders for", classes, wanted, rest)
    paths: list[str] = []
    truth: list[int] = []
    for label in wanted:
        if not classes[label].pictures:
            raise DataError(f"the class folder {os.path.join(data, label)!r} holds no pictures. Put pictures into it.")
        paths += classes[label].pictures
        truth += [labels.index(label)] * len(classes[label].pictures)
    notes = remarks(found)
    for folder in outs:
        inside = walk(folder) if os.path.isdir(folder) else Found()
        if not inside.pictures:
            raise DataError(f"the out folder {folder!r} is missing or holds no pictures. Check the path.")
        paths += inside.pictures
        truth += [out_class] * len(inside.pictures)
        notes += [f"in {folder!r} {text}" for text in told(inside)]
    _check_once(paths)
    return paths, truth, tuple(notes)


def _check_once(paths: Iterable[str]) -> None:
    """Raises DataError where two names lead to one picture: counted twice it would promise more than it shows."""
    seen: dict[tuple[str, int], str] = {}
    for path in paths:
        file, page = split_page(path)
        one = os.path.realpath(file), page
        if one in seen:
            both = f"{path!r} is given twice" if path == seen[one] else f"{seen[one]!r} and {path!r} are one picture"
            raise DataError(
                f"{both}, and the promise holds for pictures drawn each on its own. Give each folder once, none inside "
                "another, and no links to pictures given already."
            )
        seen[one] = path


def _copies(paths: Sequence[str], truth: Sequence[int], labels: Sequence[str]) -> int:
    """How many pictures are in files that are copies of others, byte for byte; only those of the same size are read.

    A page of a PDF is one where another file of the same bytes gave that page. Equal pictures may be drawn twice (blank
    pages), so they count; this number then stands in the assumption. Raises DataError where more than half of a label's
    pictures are copies.
    """
    places = [split_page(path) for path in paths]
    sizes: dict[tuple[int, int], list[int]] = {}
    for k, (file, page) in enumerate(places):
        with contextlib.suppress(OSError):  # judging it says why
            sizes.setdefault((os.path.getsize(file), page), []).append(k)
    digest = functools.cache(_digest)  # of a file once, not once a page
    first: dict[tuple[bytes, int], int] = {}
    copies: dict[int, list[str]] = {}
    for k in (k for same in sizes.values() if len(same) > 1 for k in same):
        file, page = places[k]
        with contextlib.suppress(OSError):
            if first.setdefault((digest(file), page), k) != k:
                copies.setdefault(truth[k], []).append(paths[k])
    for y, found in copies.items():
        whole = sum(t == y for t in truth)
        if 2 * len(found) > whole:
            whose = f"of {labels[y]!r}" if y != NO_CLASS else "of no class"
            raise DataError(
                f"{len(found)} of the {counted(whole, 'picture')} {whose} are copies of others, such as {found[0]!r}, and the promise holds "
                "for pictures drawn each on its own. Take them out: openset check DATA --fix LIST names them."
            )
    return sum(map(len, copies.values()))


def _digest(file: str) -> bytes:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def _judged(judge: Judge, paths: Sequence[str], progress: bool) -> Iterator[Decision]:
    stream = judge.stream(paths)
    if not progress:
        return stream
    from rich.console import Console
    from rich.progress import track

    return iter(track(stream, description="judging", total=len(paths), console=Console(stderr=True)))


def _rows(decisions: Sequence[Decision], labels: Sequence[str]) -> np.ndarray:
    """Probabilities [N, K]; zeros for a picture that was read but not judged (too small)."""
    rows = [[d.probabilities.get(label, 0.0) for label in labels] for d in decisions]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(labels))


def _assumption(folders: Iterable[PathLike], by_class: bool, copies: int) -> str:
    names = ", ".join(repr(Path(folder).resolve().name) for folder in folders)
    alone = "each on its own" + (f", the {counted(copies, 'copy', 'copies')} among them too" if copies else "")
    if by_class:
        return (
            f"pictures of a class to come are drawn like that class's in {names}, and all others like the others "
            f"there, {alone}"
        )
    return f"pictures to come are drawn like those in {names}, the shares of the classes included, {alone}"


def _file(name: str) -> Path:
    return Path(__file__).parent / SHIPPED[name] if name in SHIPPED else Path(name)
