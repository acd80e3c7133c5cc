"""How common each class is in the field: the prevalences that a promise is restated for, as the user gives them."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from .bounds import check_rate
from .errors import DataError

OTHER = "other"  # the label that `openset train` gives to what is in the out folders, where there is one class folder
SUM_SLACK = 1e-9  # shares that add up to 1 do so within this


def shares(labels: Sequence[str], prevalence: float | Mapping[str, float] | None) -> dict[str, float] | None:
    """The share of each label in the field, from what the user said.

    A number is the share of each label; but for a judge of one class and "other" it is the share of that class, and
    "other" makes up the rest. A mapping gives each label its own. Raises DataError for names that are not the labels
    and for shares that add up to more than 1, CalibrationError for a share that is none.
    """
    if prevalence is None:
        return None
    if isinstance(prevalence, Mapping):
        names, given = composed(labels), dict(zip(composed(prevalence), prevalence.values(), strict=True))
        check_names("prevalence is given for", given, names, "Give a share for each label")
        made = {label: given[name] for label, name in zip(labels, names, strict=True)}
        for label, share in made.items():
            check_rate(f"the prevalence of {label!r}", share)
        _check_sum(made, "the prevalences")
        return made
    check_rate("prevalence", prevalence)
    if len(labels) == 2 and OTHER in labels:
        rest = float(1 - Decimal(str(float(prevalence))))  # 0.3 beside 0.7, as it is written
        return {label: rest if label == OTHER else prevalence for label in labels}
    made = dict.fromkeys(labels, prevalence)
    _check_sum(made, f"prevalence {prevalence} is each label's share, and these")
    return made


def _check_sum(field: Mapping[str, float], what: str) -> None:
    """Raises DataError where shares of one field add up to more than 1."""
    total = math.fsum(field.values())
    if total > 1 + SUM_SLACK:
        raise DataError(
            f"{what} add up to {total:.10g} for the {len(field)} labels {', '.join(field)}: more than the whole field. "
            "Give each label its own share, all together at most 1: --prevalence LABEL=P for each "
            '(in Python: prevalence={"LABEL": P, ...}).'
        )


def composed(names: Iterable[str]) -> list[str]:
    """The names in Unicode's composed form (NFC), as class folders' are. Raises DataError where that makes two the same."""
    made = [unicodedata.normalize("NFC", name) for name in names]
    twice = [name for name, n in Counter(made).items() if n > 1]
    if twice:
        raise DataError(
            f"two names are both {twice[0]!r}, with accents composed in one and decomposed in the other. No folder's name "
            "can tell them apart: rename one."
        )
    return made


def check_names(what: str, given: Iterable[str], labels: Sequence[str], remedy: str) -> None:
    """Raises DataError that names both what is missing and what is too much."""
    missing, extra = [x for x in labels if x not in set(given)], sorted(set(given) - set(labels))
    if not missing and not extra:
        return
    parts = ([f"missing: {', '.join(missing)}"] if missing else []) + (
        [f"not known: {', '.join(extra)}"] if extra else []
    )
    raise DataError(
        f"{what} {', '.join(sorted(given))}; the judge's labels are {', '.join(labels)} ({'; '.join(parts)}). {remedy}."
    )
