"""One cell of `choosing.py`: what a net with a head says inside, outside and under attack, what is proved of it, what it costs."""

from __future__ import annotations

import copy
import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from choosing_heads import Outputs, outputs
from choosing_material import Task, loud_from
from openset import metrics
from openset.attack import transfer, worst
from openset.audit import limits
from openset.errors import AuditError
from openset.heads import CertifiedGuard, DensityGuard, Temperature
from openset.heads._mixed import Guard
from openset.nets import Net
from openset.reproduce.material import seeded

EPS, STEPS = 0.3, 50  # of the attack; of the climb of a guard's odds
BALLS = (0.01, 0.05, 0.1)
FAR = 1_000.0  # alpha: how far along a ray the bounds are taken
ROUNDING = 1 + 1e-6  # of a radius: pixels moved in float32 lie in the ball


class Whole(nn.Module):
    """Pixels -> log-probabilities of a net with its head; the logits where there is no head."""

    def __init__(self, net: Net, head: nn.Module | None) -> None:
        super().__init__()
        self.net, self.head = net, head

    def forward(self, x: Tensor) -> Tensor:
        features = self.net.features(x)
        logits = self.net.classify(features)
        if self.head is None:
            return logits
        out: Tensor = self.head({"pixels": x, "features": features, "logits": logits})
        return out


def probabilities(head: nn.Module | None, said: Outputs) -> np.ndarray:
    """float64 [N, K]; the head in float64, or ties of rounded confidences would count as such."""
    if head is None:
        return said["logits"].double().softmax(1).numpy()
    exact = copy.deepcopy(head).double()
    with torch.no_grad():
        parts = zip(*(x.split(100) for x in said.values()), strict=True)
        rows = [exact({name: x.double() for name, x in zip(said, part, strict=True)}).exp() for part in parts]
    return torch.cat(rows).clamp(max=1).numpy()


class Seen:
    """What a net makes of the test pictures and of the unseen sets, once for all heads."""

    def __init__(self, task: Task, net: Net) -> None:
        self.inside = outputs(net, task.test)
        self.unseen = {name: outputs(net, x) for name, x in task.unseen.items()}


def cell(task: Task, net: Net, head: nn.Module | None, seen: Seen) -> dict[str, Any]:
    """All that is measured and proved, but for what training costs."""
    p = probabilities(head, seen.inside)
    sure, right = p.max(1), p.argmax(1) == task.test_targets
    return {
        "n": len(right),
        "error": 1 - float(right.mean()),
        "ece": metrics.ece(sure, right, 15),
        "mmc": metrics.mmc(sure),
        "unseen": {name: against(sure, probabilities(head, said).max(1)) for name, said in seen.unseen.items()},
        "attacked": attacked(task, net, head),
        "far": far(task, net, head),
        "balls": balls(task, head),
        "inference": inference(task, net, head),
    }


def against(inside: np.ndarray, outside: np.ndarray) -> dict[str, float]:
    return {
        "n": len(outside),
        "mmc": metrics.mmc(outside),
        "auroc": metrics.auroc(inside, outside),
        "aupr": metrics.aupr(inside, outside, positive="in"),
        "fpr_in": metrics.fpr_at_tpr(inside, outside),
        "fpr_out": metrics.fpr_at_tpr(inside, outside, convention="out-positive"),
    }


class Odds(nn.Module):
    """Two logits whose confidence grows with a guard's odds and is nowhere flat: what somebody climbs who knows the guard.

    The guarded confidence itself has no gradient where float32 rounds the guard's share to 0.
    """

    def __init__(self, net: Net, head: Guard) -> None:
        super().__init__()
        self.net, self.head = net, head

    def forward(self, x: Tensor) -> Tensor:
        odds = self.head.odds({"pixels": x, "features": self.net.features(x)})
        rising = 2 + 2 * odds / (100 + odds.abs())  # from 0 to 4
        return torch.stack((rising, torch.zeros_like(rising)), 1)


def attacked(task: Task, net: Net, head: nn.Module | None) -> dict[str, Any]:
    """The worst over all families around noise. Points found against the bare net are tried on the net with its head.

    "odds climbed": the same with points beside them that a chain of attacks found by a guard's odds.
    """
    whole = Whole(net, head)
    found = worst(
        whole,
        task.centres,
        eps=EPS,
        generator=seeded("choosing", "worst", task.name),
        budget=task.sizes.budget,
        images=task.test[:2000],
        others=[] if head is None else [net],
    )
    by = {name: float(values.double().mean()) for name, values in found.by.items()}
    top, loud = found.confidence.double(), loud_from(task.classes)
    return {
        "eps": EPS,
        "n": len(top),
        "budget": task.sizes.budget,
        "noise": by["noise"],
        "mean": float(top.mean()),
        "above": float((top > loud).double().mean()),
        "highest": float(top.max()),
        "family": max(by, key=lambda name: by[name]),
        "by": by,
        "by above": {name: float((values.double() > loud).double().mean()) for name, values in found.by.items()},
        "by highest": {name: float(values.max()) for name, values in found.by.items()},
        "vanished": found.vanished["at z"],
        **climbed(task, whole, found.confidence),
    }


def climbed(task: Task, whole: Whole, found: Tensor) -> dict[str, dict[str, float]]:
    """found: [B], the confidences met so far around the noise. Nothing where the head is no guard."""
    if not isinstance(whole.head, Guard):
        return {}
    g = seeded("choosing", "odds", task.name)
    points = transfer(whole, task.centres, [Odds(whole.net, whole.head)], eps=EPS, generator=g, steps=STEPS)
    with torch.no_grad():
        top = torch.maximum(found, whole(points).softmax(1).amax(1)).double()
    loud = float((top > loud_from(task.classes)).double().mean())
    return {"odds climbed": {"mean": float(top.mean()), "above": loud, "highest": float(top.max())}}


def far(task: Task, net: Net, head: nn.Module | None) -> dict[str, float] | None:
    """What is proved along rays alpha * noise, alpha -> infinity; None where nothing is, or the net is none that rays can be followed through.

    "sure": the share of rays that end at confidence 1, since one class outgrows all others: exact, and the same after a division
    of the logits by a temperature. "bound": no confidence is higher from alpha = FAR on.
    """
    if head is None or isinstance(head, Temperature):
        try:
            alone = limits(net, task.rays).tied.sum(1) == 1
        except AuditError:
            return None
        return {"sure": float(alone.double().mean()), "n": len(alone)}
    if isinstance(head, CertifiedGuard):
        return {"bound": float(head.ray_bound(task.rays, FAR, task.classes).max()), "n": len(task.rays)}
    if isinstance(head, DensityGuard):
        exact, x = copy.deepcopy(head).double(), task.rays.double()
        zero = exact.place(torch.zeros_like(x[:1]))  # a picture times alpha lies at zero + alpha * its own step
        steps, reach = (exact.place(x) - zero).norm(dim=1), (torch.from_numpy(head.inside.centres) - zero).norm(dim=1)
        near = max(0.0, 0.99 * float(FAR * steps.min() - reach.max()))
        return {"bound": head.far_bound(near, task.classes), "n": len(x)}
    return None


def balls(task: Task, head: nn.Module | None) -> dict[str, dict[str, float]] | None:
    """Set -> eps -> the mean of the proved highest confidences in l_inf balls; None where nothing below 1 is proved.

    The density guard's bound is that of the l2 ball around, of radius eps * sqrt(pixels).
    """
    found: dict[str, dict[str, float]] = {}
    for name in task.balls:
        x = task.unseen[name][: task.sizes.balls]
        for eps in BALLS:
            if isinstance(head, CertifiedGuard):
                bound = np.concatenate([head.certify(part, eps, task.classes) for part in x.split(250)])
            elif isinstance(head, DensityGuard):
                bound = head.ball_bound(x, eps * math.sqrt(x[0].numel()) * ROUNDING, task.classes)
            else:
                return None
            found.setdefault(name, {})[str(eps)] = float(bound.mean())
    return found


def inference(task: Task, net: Net, head: nn.Module | None) -> float:
    """CPU time of the net with its head over the net alone, in turns: the ratio of medians, for 64 pictures at once."""
    if head is None:
        return 1.0
    x, sides = task.test[:64], (Whole(net, None), Whole(net, head))
    seconds: list[list[float]] = [[], []]
    with torch.no_grad():
        for _ in range(task.sizes.repeats + 1):
            for side, taken in zip(sides, seconds, strict=True):
                began = time.process_time()
                side(x)
                taken.append(time.process_time() - began)
    alone, both = (float(np.median(taken[1:])) for taken in seconds)
    return both / alone
