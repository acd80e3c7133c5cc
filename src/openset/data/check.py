"""Look at a folder of pictures before training: what is broken, doubled, unbalanced or mislaid. Nothing is changed.

Severity and exit code: 0 when there are only infos (nothing that harms); 1 with warnings (training works, its result
or its numbers suffer); 2 with errors (it cannot be trained on as it stands).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .._words import counted
from ..errors import DataError, OpensetError
from . import layout as lay
from .copies import OUT, Copies, Place, Remark, sort_copies
from .listing import check_classes, check_folders, list_pictures
from .near import clusters, exact
from .prints import Prints, Progress, Seen, fingerprint, split_page
from .walk import Found, told, walk

Severity = Literal["error", "warning", "info"]

EXAMPLES = 5
TINY_CLASS = 20  # different pictures: a 15 % share of fewer is at most 3
IMBALANCE = 10  # times as many pictures in the largest class as in the smallest
MIN_SIDE = 8  # pixels: a judge's smallest picture (types.Preprocess.min_side)
HEAD = "# openset check: files to take out"


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One kind of thing found. count: how many files, groups or classes (`what` says which). examples: at most
    EXAMPLES paths; of a group, its members joined by " = ". remedy: what to do."""

    name: str
    severity: Severity
    count: int
    what: str
    examples: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """counts: side ("" if no split is given, "out") -> class ("" in out) -> pictures. findings: the worst first.

    take_out: what to take out, with reasons; of these `listed` is what a fix list names. look_at: what only a person can decide.
    """

    root: str
    counts: Mapping[str, Mapping[str, int]]
    findings: tuple[CheckFinding, ...]
    take_out: tuple[Remark, ...] = ()
    look_at: tuple[Remark, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """0: nothing that harms; 1: warnings; 2: cannot be used as it stands."""
        return max((_EXIT[f.severity] for f in self.findings), default=0)

    @property
    def listed(self) -> tuple[Remark, ...]:
        """Of `take_out`, the files that a fix list names, one a line."""
        return tuple(r for r in self.take_out if not _is_document(r) and not _has_break(r))

    @property
    def by_hand(self) -> tuple[Remark, ...]:
        """Of `take_out`, the files with a line break in their names: no list of one path a line can name them."""
        return tuple(r for r in self.take_out if not _is_document(r) and _has_break(r))

    @property
    def eyed(self) -> tuple[Remark, ...]:
        """What only a person can decide: PDFs of `take_out`, then `look_at`."""
        return (*(r for r in self.take_out if _is_document(r)), *self.look_at)

    def write_fix_list(self, path: str | os.PathLike[str]) -> int:
        """Write the files to take out, one path a line under a "# reason"; returns how many. Deletes nothing.

        Paths are as `root` was given, in the file system's encoding. What a list cannot name (`by_hand`) and what needs a
        person's eye (`eyed`) are comments. Raises DataError rather than overwrite a file that is not such a list.
        """
        target = os.fspath(path)
        if os.path.lexists(target):
            try:
                with open(target, "rb") as old:
                    ours = old.readline().startswith(HEAD.encode())
            except OSError:
                ours = False
            if not ours:
                raise DataError(f"{target!r} exists and is not a list written by `openset check`. Give another name.")
        lines = [HEAD, *_RULES]
        for remark in self.listed:
            name = f"./{remark.path}" if remark.path.startswith("#") else remark.path
            lines += [_comment(remark.reason), name]
        lines += [_comment(f"take out by hand {r.path!r}: {r.reason}") for r in self.by_hand]
        for remark in self.eyed:
            lines.append(_comment(f"look at {remark.path!r}: {remark.reason}"))
        try:
            with open(target, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as new:
                new.write("\n".join(lines) + "\n")
        except OSError as e:
            raise DataError(f"the list {target!r} cannot be written ({e.strerror}). Give another place.") from e
        return len(self.listed)


_EXIT: dict[Severity, int] = {"info": 0, "warning": 1, "error": 2}
_RULES = (
    "# Nothing has been removed. Lines without # are the files; to move them away into a new folder aside/, numbered in this order:",
    '#   mkdir aside && grep -v \'^#\' THIS_FILE | while IFS= read -r f; do n=$((n+1)); mv -- "$f" "aside/$n-${f##*/}"; done',
    "# Rules: unreadable files and pictures of less than 8 pixels go. An out picture that copies a class's picture",
    "# goes. Equal pictures in two classes all go (only you know the label). Of copies in two parts of a split, test",
    "# stays before val before train. Of equal pictures, the largest file stays, then the first by name.",
)


def _is_document(remark: Remark) -> bool:
    """Is it a PDF, which may be unreadable only because a package is missing, or a page, which is no file?"""
    return split_page(remark.path)[0].lower().endswith(".pdf")


def _has_break(remark: Remark) -> bool:
    return bool(set("\r\n") & set(remark.path))


def _comment(text: str) -> str:
    return "# " + text.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n").replace("\r", "\\r")


def check(
    root: str | os.PathLike[str],
    *,
    out: Sequence[str | os.PathLike[str]] = (),
    progress: Progress | None = None,
    threads: int | None = None,
) -> CheckReport:
    """Check the folder DATA (see `folders.read_folder` for its layout) and the out folders used with it.

    Every picture is read once. A folder that cannot be used raises nothing: it is a finding of severity "error".
    """
    base = os.fspath(root)
    try:
        found = lay.survey(base)
        outside = [walk(os.fspath(folder)) for folder in out]
    except DataError as e:
        return CheckReport(base, {}, (CheckFinding("layout", "error", 1, str(e), (), "See the message."),))
    places = [
        Place(path, name, side)
        for side, classes in found.sides.items()
        for name, pictures in classes.items()
        for path in pictures.pictures
    ]
    places += [Place(path, None, OUT) for part in outside for path in part.pictures]
    seen: Seen = {}
    prints = fingerprint([p.path for p in places], threads=threads, progress=progress, seen=seen)
    places = [Place(p.path, p.label, p.side, int(n)) for p, n in zip(places, prints.bytes, strict=True)]
    near = clusters(prints)
    copies = sort_copies(places, exact(prints), near)
    good = [error is None for error in prints.error]
    small = [ok and int(side) < MIN_SIDE for ok, side in zip(good, prints.long_side, strict=True)]
    leaving = [path for part in (found.beside, *_parts(found), *outside) for path in part.leaving]
    findings = [
        *_layout(found, out, outside),
        *_classes(found, places, [ok and not tiny for ok, tiny in zip(good, small, strict=True)], near),
        *_pictures(places, prints, small),
        *_copies(copies, given="" not in found.sides),
        *_say("links", "info", leaving, "link", "out of the folder", "Copy the files in before you move the folder."),
    ]
    if not any(f.severity == "error" for f in findings):
        tiny = {p.path for p, s in zip(places, small, strict=True) if s}
        findings += _trainable(base, [os.fspath(folder) for folder in out], seen, tiny)
    take = {r.path: r for r in copies.take_out}
    take |= {p.path: Remark(p.path, e) for p, e in zip(places, prints.error, strict=True) if e is not None}
    take |= {p.path: Remark(p.path, "too small") for p, tiny in zip(places, small, strict=True) if tiny}
    return CheckReport(
        base,
        _counts(found, places),
        tuple(sorted(findings, key=lambda f: -_EXIT[f.severity])),
        tuple(take[path] for path in sorted(take)),
        tuple(r for r in copies.look_at if r.path not in take),
    )


def render(report: CheckReport) -> list[tuple[str, str, str, str, str]]:
    """Rows for a table: severity, name, what was found, examples (one a line), remedy."""
    return [(f.severity, f.name, f.what, "\n".join(f.examples), f.remedy) for f in report.findings]


def _parts(found: lay.Survey) -> list[Found]:
    return [pictures for classes in found.sides.values() for pictures in classes.values()]


def _counts(found: lay.Survey, places: Iterable[Place]) -> dict[str, dict[str, int]]:
    """An empty class folder counts 0."""
    counts = {side: dict.fromkeys(classes, 0) for side, classes in found.sides.items()}
    for p in places:
        side = counts.setdefault(p.side, {})
        side[p.label or ""] = side.get(p.label or "", 0) + 1
    return counts


def _say(name: str, severity: Severity, paths: Sequence[str], one: str, what: str, remedy: str) -> list[CheckFinding]:
    """A finding about files, each of them `one` (file, picture, link) of which `what` is said; nothing when there are none."""
    if not paths:
        return []
    return [
        CheckFinding(name, severity, len(paths), f"{counted(len(paths), one)} {what}", tuple(paths[:EXAMPLES]), remedy)
    ]


def _layout(found: lay.Survey, out: Sequence[object], outside: Sequence[Found]) -> list[CheckFinding]:
    findings = [CheckFinding("layout", "error", 1, text, (), "See the message.") for text in lay.faults(found)]
    if len(found.labels) == 1 and not out:
        findings.append(
            CheckFinding(
                "one class",
                "error",
                1,
                f"{found.labels[0]!r} is the only class and there is no out folder, so nothing to tell it from",
                (),
                "Add a class folder, or give a folder of other pictures with --out.",
            )
        )
    for folder, part in zip(out, outside, strict=True):
        if not part.pictures:
            findings.append(
                CheckFinding("no out pictures", "error", 1, f"no images found in {folder!s}", (), "Give another --out.")
            )
    notes = [f"in {folder!s} {text}" for folder, part in zip(out, outside, strict=True) for text in told(part)]
    findings += [CheckFinding("folder", "info", 1, text, (), "") for text in (*lay.remarks(found), *notes)]
    return findings


def _classes(
    found: lay.Survey, places: Sequence[Place], good: Sequence[bool], near: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> list[CheckFinding]:
    learnt = "" if "" in found.sides else "train"
    different: dict[str, set[int]] = {name: set() for name in found.labels}
    readable: Counter[str] = Counter()
    for place, ok, group in zip(places, good, near.tolist(), strict=True):
        if ok and place.label in different and place.side == learnt:
            different[place.label].add(group)
            readable[place.label] += 1
    findings = []
    dead = [n for n in found.labels if not readable[n] and found.sides[learnt][n].pictures]
    if dead:
        what = f"no picture of class {', '.join(map(repr, dead))} can be read"
        findings.append(
            CheckFinding("dead class", "error", len(dead), what, (), "Replace the files, or remove the class.")
        )
    tiny = [n for n in found.labels if 0 < len(different[n]) < TINY_CLASS]
    if tiny:
        listed = ", ".join(f"{n!r} {len(different[n])}" for n in tiny[:EXAMPLES]) + ", ..." * (len(tiny) > EXAMPLES)
        what = f"{counted(len(tiny), 'class', 'classes')} with fewer than {TINY_CLASS} different pictures: {listed}"
        findings.append(CheckFinding("tiny class", "warning", len(tiny), what, (), "Add pictures, or merge classes."))
    alive = [n for n in found.labels if readable[n]]
    if len(alive) > 1:
        most, least = max(alive, key=lambda n: readable[n]), min(alive, key=lambda n: readable[n])
        if readable[most] >= IMBALANCE * readable[least]:
            what = f"{most!r} has {counted(readable[most], 'picture')}, {least!r} {readable[least]:,}"
            findings.append(
                CheckFinding(
                    "imbalance", "warning", 1, what, (), "Add pictures of the rare class, or drop some of the other."
                )
            )
    return findings


def _trainable(base: str, out: Sequence[str], seen: Seen, small: Set[str]) -> list[CheckFinding]:
    """Would a training find what it needs? The same split as its own, with its default seed; nothing is read again."""
    try:
        listing = list_pictures(base, out, scheme="plain", seed=0, tell=lambda *_: None, seen=seen)
        left = [e for e in listing.entries if e.path not in small]
        check_folders(listing.entries, left, "Its pictures are too small.")
        check_classes(listing.labels, left)
    except OpensetError as e:
        return [CheckFinding("untrainable", "error", 1, str(e), (), "See the message.")]
    return []


def _pictures(places: Sequence[Place], prints: Prints, small: Sequence[bool]) -> list[CheckFinding]:
    inside = [p.label is not None for p in places]
    unreadable = [f"{p.path}: {e}" for p, e in zip(places, prints.error, strict=True) if e is not None]
    tiny = [p.path for p, s in zip(places, small, strict=True) if s]
    flat = [
        p.path
        for p, c, e, ours, s in zip(places, prints.constant, prints.error, inside, small, strict=True)
        if c and e is None and ours and not s
    ]
    return [
        *_say("unreadable", "warning", unreadable, "file", "that cannot be read", "Repair, replace or remove them."),
        *_say("too small", "warning", tiny, "picture", f"of less than {MIN_SIDE} pixels", "Remove them."),
        *_say("constant", "warning", flat, "picture", "of one colour only in the classes",
              "Look at them. Blank pictures teach a judge to be sure of nothing: move them to an out folder."),
    ]  # fmt: skip


def _copies(copies: Copies, *, given: bool) -> list[CheckFinding]:
    def groups(
        name: str, severity: Severity, found: Sequence[Sequence[Place]], what: str, remedy: str
    ) -> list[CheckFinding]:
        if not found:
            return []
        files = sum(map(len, found))
        lines = tuple(" = ".join(p.path for p in g[:3]) + " = ..." * (len(g) > 3) for g in found[:EXAMPLES])
        return [
            CheckFinding(
                name,
                severity,
                len(found),
                f"{counted(len(found), 'group')} ({counted(files, 'file')}) of {what}",
                lines,
                remedy,
            )
        ]

    kept = "Harmless: weighs the picture double." if given else "Harmless: a split keeps them together."
    return [
        *groups("across classes", "warning", copies.across_classes, "copies in more than one class",
                "One picture cannot be two classes: keep it in the right one."),
        *groups("across splits", "warning", copies.across_sides, "copies in more than one of train, val and test",
                "Results look better than they are: take out the copies in train (--fix lists them)."),
        *groups("copies in out", "warning", copies.with_out, "copies in a class and in an out folder",
                "One picture cannot be a class and no class: take it out of the out folder."),
        *groups("exact duplicates", "info", copies.exact, "equal pictures", kept),
        *groups("near duplicates", "info", copies.near, "nearly equal pictures", kept),
    ]  # fmt: skip
