"""From folders to a fitted head for a wrapped net: which heads there are, what each learns from, what was left out or lowered."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ._words import counted
from .errors import MissingExtraError, TrainingError
from .heads import (
    fit_certified_guard,
    fit_density_guard,
    fit_laplace,
    fit_mahalanobis,
    fit_neighbours,
    fit_temperature,
)
from .judge import batches
from .loader import Material, Pictures, Pixels, Split

if TYPE_CHECKING:
    from ._wrapped import Bare, Wrapped

HeadName = Literal["temperature", "laplace", "mahalanobis", "neighbours", "density", "certified"]
HEADS: tuple[HeadName, ...] = ("temperature", "laplace", "mahalanobis", "neighbours", "density", "certified")
NEED_OUT = ("mahalanobis", "neighbours", "density", "certified")
NEED_FEATURES = ("laplace", "mahalanobis", "neighbours")
NEED_ONE_SIZE = ("density", "certified")
BATCH = 32
AHEAD = 512  # pictures among which those of one shape are looked for
CENTRES = 100  # of a mixture
NEAREST = 10  # which neighbour's distance is taken
MOST = 2_000  # pictures of a side that the guards on pixels are fitted on, evenly spaced; fewer where they
ROOM = 1_500_000_000  # would take more bytes than this


def check_asked(net: Wrapped, head: str, refuse: str | None, has_out: bool) -> None:
    """Can this head be fitted to this net? Raises TrainingError or MissingExtraError, before a picture is read."""
    if head not in HEADS:
        raise TrainingError(f"head={head!r} cannot be: it must be one of {', '.join(HEADS)}")
    if head in NEED_ONE_SIZE and net.preprocess.mode == "fit":
        raise TrainingError(
            f'the head "{head}" looks at pictures of one size, and those of mode "fit" have many: wrap the net with mode '
            '"stretch" or "crop", or use temperature, laplace, mahalanobis or neighbours'
        )
    if head in NEED_OUT and not has_out:
        raise TrainingError(f'the head "{head}" learns from pictures that are no class: give out folders')
    if head in NEED_FEATURES and net.last is None:
        other = "temperature" if net.preprocess.mode == "fit" else "temperature or density"
        raise TrainingError(f'the head "{head}" needs a net that ends in a linear layer: use {other}')
    if head == "laplace" and find_spec("laplace") is None:
        raise MissingExtraError("Last-layer Laplace", "laplace-torch", "laplace")
    if refuse is not None and (head != "certified" or refuse not in net.labels):
        raise TrainingError(
            f'refuse={refuse!r} with the head "{head}" cannot be: it names one of the labels {", ".join(net.labels)}, '
            'for the head "certified"'
        )


def apart(material: Material, refuse: str | None) -> tuple[Material, list[str]]:
    """What a guard learns from where one class folder was given, and what to say of it: class 0 is known, class 1 strange.

    Raises TrainingError where class 0 is to be the one that refuses.
    """
    known, other = material.labels
    if refuse == known:
        raise TrainingError(
            f"refuse={refuse!r} cannot be: it is the one class that was given, and would get what the guard does not believe. "
            f"Give refuse={other!r}"
        )
    sides = (material.train, material.val)
    inside = [Split(Chosen(s.pictures, np.flatnonzero(s.targets == 0)), s.targets[s.targets == 0]) for s in sides]
    outside = [Chosen(s.pictures, np.flatnonzero(s.targets == 1)) for s in sides]
    note = (
        f"The guard takes the pictures of {other!r} for strange and believes no answer on them, {other!r} neither: most will be "
        f"unknown. The head certified with refuse={other!r} gives that class what is not believed."
    )
    taught = replace(material, train=inside[0], val=inside[1], out=outside[0], out_val=outside[1])
    return taught, [note] if refuse is None else []


def check_taught(head: str, taught: Material, out: Sequence[str]) -> None:
    """Are there enough out-pictures for a guard to learn from? Raises TrainingError that names the folders."""
    if len(taught.out) + len(taught.out_val) < 2:
        raise TrainingError(
            f'the head "{head}" learns from at least 2 pictures that are no class, beside those held out, and '
            f"{', '.join(map(repr, out))} has fewer that can be read and are large enough: add some"
        )


def fit_head(
    net: Bare, head: HeadName, material: Material, order: NDArray[np.intp], refuse: int | None
) -> tuple[nn.Module, list[str]]:
    """The head, fitted on train and val, and notes on what was lowered or left out since the folders are small or large.

    order: [K], the net's class of each class of `material`. refuse: the class that the certified guard gives what is not believed.
    Raises TrainingError.
    """
    try:
        return _fit(net, head, material, order, refuse)
    except ValueError as error:  # the heads' own checks, of numbers that the net gave
        raise TrainingError(f'the head "{head}" cannot be fitted with this net and these pictures: {error}') from error


def _fit(
    net: Bare, head: HeadName, material: Material, order: NDArray[np.intp], refuse: int | None
) -> tuple[nn.Module, list[str]]:
    train, val, outside = material.train, material.val, (material.out, material.out_val)
    if head in NEED_ONE_SIZE:
        inside, notes = some((train.pictures, val.pictures), "pictures")
        strange, more = some(outside, "out-pictures")
        notes += more
        if head == "certified":
            return fit_certified_guard(inside, strange, refuse=refuse), notes
        centres = max(1, min(CENTRES, len(inside) // 4, len(strange) // 4))
        if centres < CENTRES:
            notes.append(
                f"The density guard has {counted(centres, 'centre')} a side where {CENTRES} are usual: 4 pictures are "
                f"wanted for each, and there are {len(inside)} of the classes and {len(strange)} of none."
            )
        return fit_density_guard(inside, strange, centres=centres), notes
    logits, features = logits_of(net, train.pictures, val.pictures)
    targets, cut = order[np.concatenate((train.targets, val.targets))], len(train.targets)
    if head == "temperature":
        return fit_temperature(logits.double().numpy(), targets), []
    if head == "laplace":
        return fit_laplace(net.last, features, targets), []
    away = logits_of(net, *outside)[1]
    if head == "mahalanobis":
        return fit_mahalanobis(features[:cut], targets[:cut], features[cut:], away), []
    k = min(NEAREST, cut)
    few = f"The distance is that to neighbour {k} where {NEAREST} is usual: there are only {counted(cut, 'picture')} to learn from."
    return fit_neighbours(features[:cut], features[cut:], away, k=k), [few] * (k < NEAREST)


def logits_of(net: Bare, *parts: Pictures) -> tuple[Tensor, Tensor]:
    """Logits [N, K] and features [N, D] (D = 0 where there are none) of all pictures of the parts."""
    width = net.last.in_features if net.has_features else 0
    numbers, rows, deep = list[int](), [torch.zeros(0, net.whole.classes)], [torch.zeros(0, width)]
    with torch.no_grad():
        for some_numbers, x in batches_of(*parts):
            numbers += some_numbers
            rows.append(net(x))
            deep.append(net.features(x) if net.has_features else torch.zeros(len(x), 0))
    back = np.argsort(numbers)
    return torch.cat(rows)[back], torch.cat(deep)[back]


def probabilities_of(net: Bare, head: nn.Module, *parts: Pictures) -> NDArray[np.float64]:
    """[N, K], as the judge file will give them for all pictures of the parts (resized ones to half a level). Raises TrainingError where they are not finite."""
    from .export import Graph

    graph = Graph(net, head).eval()
    made = np.zeros((sum(map(len, parts)), net.whole.classes))
    with torch.no_grad():
        for numbers, x in batches_of(*parts):
            made[numbers] = graph(x)[1].double().numpy()
    if broken := int((~np.isfinite(made).all(axis=1)).sum()):
        raise TrainingError(
            f"on {broken} of {counted(len(made), 'held-out picture')} the net gives numbers that are not finite: check its weights, "
            "mean and std, and what it divides by"
        )
    return made


def batches_of(*parts: Pictures) -> Iterator[tuple[list[int], Tensor]]:
    """Every picture once, numbered through the parts, in batches as a judge makes them: numbers, and pixels [B, 3, H, W] in [0, 1]."""
    every = enumerate(part[i] for part in parts for i in range(len(part)))
    while ahead := list(itertools.islice(every, AHEAD)):
        for numbers, pixels in batches(ahead, BATCH):
            yield numbers, unit(pixels)


def some(parts: Sequence[Pictures], what: str) -> tuple[Tensor, list[str]]:
    """At most MOST pictures of the parts, in ROOM, evenly spaced, all of one size: [N, 3, H, W] in [0, 1]; and what to say of it."""
    every = [(part, i) for part in parts for i in range(len(part))]
    n = len(every)
    most = min(MOST, max(2, ROOM // (4 * every[0][0][0].size))) if every else MOST
    chosen = every if n <= most else [every[i * n // most] for i in range(most)]
    notes = [] if n <= most else [f"The guard learns from {most:,} of {n:,} {what}."]
    return unit(np.stack([part[i] for part, i in chosen])), notes


def unit(pixels: Pixels) -> Tensor:
    """uint8 [B, 3, H, W] -> float32 in [0, 1]."""
    return torch.from_numpy(pixels).float().div_(255)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some of the pictures, by their numbers."""

    pictures: Pictures
    numbers: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Pixels:
        return self.pictures[int(self.numbers[index])]
