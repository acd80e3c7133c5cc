"""Does the gradient say anything? How often it is exactly zero, and how deep the net is dead there.

A zero gradient is a warning that gradient attacks are blind, neither proof of a hidden peak nor of quiet: the released
SVHN and CIFAR-100 ACET nets give logits equal to their output bias around noise, and have peaks of 1.0 in the ball.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ._ball import ask, check_kinds, evaluating, gradient_of
from ._climb import ReluMode, margin


@dataclass(frozen=True)
class GradientReport:
    """For each image: is the gradient exactly zero, and do the logits equal the output bias?

    The gradient is that of the margin (largest minus second largest logit): unlike the confidence's it does not
    vanish where the softmax rounds to 1. zero, constant: bool [B]; `constant` is all False where the last layer called
    is no nn.Linear with a bias. dead: for each ReLU call in order, the share of images of which every unit of the call is off.
    """

    zero: Tensor
    constant: Tensor
    dead: tuple[float, ...]

    @property
    def share(self) -> float:
        """Share of images whose gradient is exactly zero; 0 for an empty batch."""
        return self.zero.float().mean().item() if len(self.zero) else 0.0

    @property
    def share_constant(self) -> float:
        """Share of images whose logits equal the output bias; 0 for an empty batch."""
        return self.constant.float().mean().item() if len(self.constant) else 0.0


def gradient_report(net: nn.Module, x: Tensor) -> GradientReport:
    """Where the gradient with respect to the pixels vanishes, at the points x themselves. x: [B, ...] in [0, 1].

    A net that cuts the graph (a detach, a no_grad) has gradient zero. It is run in eval mode and left as it was.
    Raises TypeError for no net or no tensor. Not a verdict on robustness in either direction.
    """
    check_kinds(net, x=x)
    linear: list[tuple[nn.Linear, Tensor]] = []
    dead: list[float] = []

    def relu(h: Tensor) -> Tensor:
        out = h.clamp(min=0)
        if len(out):
            dead.append((out.detach().flatten(1) == 0).all(1).float().mean().item())
        return out

    def note(module: Any, _inputs: Any, output: Tensor) -> None:
        linear.append((module, output.detach()))

    hooks = [m.register_forward_hook(note) for m in net.modules() if isinstance(m, nn.Linear)]
    try:
        with torch.inference_mode(False), torch.enable_grad(), evaluating(net):
            point = x.detach().clone().requires_grad_()
            with ReluMode(relu):
                logits = ask(net, point)
            gradient = gradient_of(margin(logits), point)
    finally:
        for hook in hooks:
            hook.remove()
    constant = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    if linear and linear[-1][0].bias is not None and torch.equal(linear[-1][1], logits.detach()):
        constant = (logits.detach() == linear[-1][0].bias.detach()).all(1)
    return GradientReport((gradient.flatten(1) == 0).all(1), constant, tuple(dead))
