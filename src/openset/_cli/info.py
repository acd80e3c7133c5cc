"""`openset info`: what a judge file says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._words import counted
from .guard import guarded, say

if TYPE_CHECKING:
    from ..types import Finding, JudgeInfo, Preprocess

LONG = 300  # characters of a fact's value that are shown


@guarded
def info(
    judge: Annotated[str, typer.Argument(metavar="JUDGE", help="A judge file, or a shipped judge: sheet-music.")],
    as_json: Annotated[bool, typer.Option("--json", help="All of it as one JSON object.")] = False,
) -> None:
    """Show a judge's labels, preprocessing, thresholds with their guarantees, and the facts of its making.

    \b
    Exit code: 0 shown, 1 it is no judge file of this release, 2 the command line is wrong
    """
    from ..judge import open_judge
    from ..judgefile import info_to_json

    known = open_judge(judge, threads=1).info
    if as_json:
        print(info_to_json(known))
        return
    for line in lines(known):
        say(line)


def lines(known: JudgeInfo) -> Iterator[str]:
    """A judge's metadata for people, a line at a time."""
    yield f"{known.name or 'judge'} (judge file, schema {known.schema})"
    yield f"labels: {', '.join(known.labels)}"
    yield f"reads: {_reads(known.preprocess)}"
    noted = known.facts.get("no_threshold")
    reasons = noted if isinstance(noted, Mapping) else {}
    yield "thresholds:"
    for label in known.labels:
        t = known.thresholds.get(label)
        if t is None:
            why = reasons.get(label) or "openset calibrate finds one"
            yield f"  {label}: none, so always unknown. {why}"
            continue
        field = "" if t.prevalence is None else f" where it makes up {t.prevalence} of the pictures"
        yield f"  {label}: accepted from a confidence of {t.value:.6g} on"
        yield (
            f"    {t.kind}: precision at least {t.precision}{field}, but for a chance of {t.delta}; "
            f"on {counted(t.n, 'picture')}: {t.accepted:,} accepted, {t.wrong:,} of them wrongly, {t.coverage:.1%} of its own class"
        )
        yield f"    if {t.assumption}"
    if known.audit:
        yield "audit:"
        yield from (f"  {_finding(finding)}" for finding in known.audit)
    facts = {name: value for name, value in known.facts.items() if name != "no_threshold" or value is not reasons}
    if facts:
        yield "facts:"
        yield from _tree(facts, "  ")


def _reads(pre: Preprocess) -> str:
    how = {
        "fit": f"the whole picture, its longer side scaled to {pre.size} pixels",
        "stretch": f"the picture stretched to {pre.size} x {pre.size} pixels",
        "crop": f"the centred square, scaled to {pre.size} x {pre.size} pixels",
    }[pre.mode]
    return f"{how}; none with a longer side of less than {pre.min_side} pixels"


def _finding(f: Finding) -> str:
    value = "" if f.value is None else f" {f.value:.6g}"
    between = "" if f.interval is None else f" (95 % interval {f.interval[0]:.6g} to {f.interval[1]:.6g})"
    number = "" if f.n is None else f", n = {f.n}"
    return f"{f.name}:{value}{between}{number}, {f.kind}{'. ' + f.detail if f.detail else ''}"


def _tree(facts: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}:"
            yield from _tree(value, indent + "  ")
        elif isinstance(value, str):
            if "\n" in value:
                yield f"{indent}{name}:"
                yield from (f"{indent}  {line}" for line in value.splitlines())
            else:
                yield f"{indent}{name}: {value}"
        else:
            shown = json.dumps(value, ensure_ascii=False)
            yield f"{indent}{name}: {shown if len(shown) <= LONG else shown[:LONG] + ' ... (see --json)'}"
