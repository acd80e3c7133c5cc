"""What is said of a net that cannot be audited, and of a layer that an exact ray cannot pass: where, and what to do instead."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from ..errors import AuditError

INSTEAD = {
    "softmax": "Audit the net without it: one that gives logits",
    "sigmoid": "Audit the net without it if it is the last layer, else no exact audit exists",
    "hardtanh": "ReLU6 and hardtanh are bounded; train with ReLU, or use the searches",
    "gelu": "It is not piecewise affine; train with ReLU, or use the searches",
    "silu": "It is not piecewise affine; train with ReLU, or use the searches",
    "layer_norm": "It divides by what it sees; use batch-norm, or the searches",
    "group_norm": "It divides by what it sees; use batch-norm, or the searches",
    "batch_norm": "It goes by the pictures it sees; keep running statistics and audit in eval mode, or use the searches",
    "adaptive_max": "Write it as a max-pool of fixed kernel and stride, or use the searches",
    "prelu": "With one slope it is a leaky ReLU: write it so, or use the searches",
    "clamp": "clamp(min=0) is a ReLU: write it so; other clamps need the searches",
    "attention": "It multiplies what it sees by itself; use the searches",
    "mul": "Only products with constants are affine; use the searches",
    "div": "Only quotients by constants are affine; use the searches",
}
OTHERWISE = "Exact rays need affine layers, ReLU, leaky ReLU and max-pool; the searches take any net"


def refusal(target: str, node: Any) -> str:
    """target: the operation's name; node: its place in the graph that torch.export made."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1] if stack else ("", "")
    kind = getattr(kind, "__name__", str(kind)).rpartition(".")[2]
    place = f" in layer {path!r} ({kind})" if path else f" in {kind}" if kind else ""
    way = next((text for key, text in INSTEAD.items() if key in target), OTHERWISE)
    return f"{target!r}{place} is not a layer an exact ray can pass. {way} (openset.audit.first_alpha_on_grid)"


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0][:160]


def copied(net: nn.Module) -> nn.Module:
    """A copy, in eval mode. Raises AuditError where the net holds what cannot be copied."""
    try:
        return copy.deepcopy(net).eval()
    except (RuntimeError, TypeError) as error:
        raise AuditError(
            f"{type(net).__name__} cannot be copied ({first_line(error)}). Under the old "
            "torch.nn.utils.weight_norm or spectral_norm call remove_weight_norm or remove_spectral_norm first, or use those "
            "of torch.nn.utils.parametrizations"
        ) from error


def check_logits(name: str, said: Any, n: int) -> None:
    """Raises AuditError unless `said`, a net's answer for n pictures, is [n, K] with K >= 2."""
    if not isinstance(said, Tensor) or said.dim() != 2 or len(said) != n:
        got = str(list(said.shape)) if isinstance(said, Tensor) else type(said).__name__
        raise AuditError(f"{name} gives {got} for {n} pictures, not logits [{n}, K]: wrap it so that it gives them")
    if said.shape[1] < 2:
        raise AuditError(
            f"{name} gives one logit a picture, whose softmax is always 1: give two, torch.cat([0 * z, z], 1) for a logit z"
        )
