"""A torch net -> its list of steps, each affine or a kink (ReLU, leaky ReLU, maximum), in float64.

`torch.export` reads the graph at the shape of one input, batch free; in-place layers come out functional. Everything
else is refused by name. The user's net is copied: its weights, type and mode stay as they are.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import AuditError
from ._steps import AFFINE, KINKS, Batch, Rows

INSTEAD = {
    "softmax": "Audit the net without it: one that gives logits",
    "sigmoid": "Audit the net without it if it is the last layer, else no exact audit exists",
    "hardtanh": "ReLU6 and hardtanh are bounded; train with ReLU, or use the searches",
    "gelu": "It is not piecewise affine; train with ReLU, or use the searches",
    "silu": "It is not piecewise affine; train with ReLU, or use the searches",
    "layer_norm": "It divides by what it sees; use batch-norm, or the searches",
    "group_norm": "It divides by what it sees; use batch-norm, or the searches",
    "attention": "It multiplies what it sees by itself; use the searches",
    "mul": "Only products with constants are affine; use the searches",
    "div": "Only quotients by constants are affine; use the searches",
}
OTHERWISE = "Exact rays need affine layers, ReLU, leaky ReLU and max-pool; the searches take any net"


@dataclass(frozen=True)
class Step:
    """One node: `out` = target(args, kwargs), where a `Ref` stands for an earlier result. `last`: then forgotten."""

    out: str
    target: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    last: tuple[str, ...]


@dataclass(frozen=True)
class Ref:
    """The result of an earlier step."""

    name: str


@dataclass(frozen=True)
class PiecewiseNet:
    """A net whose logits are piecewise affine in its input. shape: of one input. width: numbers in its widest layer."""

    steps: tuple[Step, ...]
    shape: tuple[int, ...]
    source: str
    output: str
    width: int

    def run(self, rows: Rows, x: Tensor, positive: Callable[[str, Rows], Tensor | None]) -> Tensor:
        """Row i of x [R, *shape] with constants weighed by rows.weight[i] -> [R, classes].

        positive(name, rows): where the value called `name` is above 0, as a mask, or None to go by each row's sign;
        it may put new rows into `rows` first.
        """
        rows.values = {self.source: x}
        for step in self.steps:
            kind = KINKS if step.target in KINKS else AFFINE
            out = kind[step.target](rows, positive, *step.args, **step.kwargs)
            for name in step.last:
                rows.values.pop(name, None)
            rows.values[step.out] = out
        return rows.values.pop(self.output)

    def logits(self, x: Tensor) -> Tensor:
        """float64 [B, *shape] -> [B, classes], the plain forward pass."""
        return self.run(Rows(x.new_ones(len(x))), x, lambda _name, _rows: None)


def trace(net: nn.Module | PiecewiseNet, shape: tuple[int, ...]) -> PiecewiseNet:
    """Read `net` (in eval mode, in float64, on the CPU, on a copy) for inputs [B, *shape].

    Raises AuditError for a layer that is not piecewise affine, by name, and for control flow that depends on pixels.
    """
    if isinstance(net, PiecewiseNet):
        if net.shape != tuple(shape):
            raise AuditError(f"this net was traced for inputs of {net.shape}, got {tuple(shape)}: trace it again")
        return net
    exported = _export(copy.deepcopy(net).to("cpu", torch.float64).eval(), tuple(shape))
    return _read(exported, tuple(shape))


def _export(net: nn.Module, shape: tuple[int, ...]) -> Any:
    example = torch.zeros((2, *shape), dtype=torch.float64)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            free = ({0: torch.export.Dim.DYNAMIC},)
            return torch.export.export(net, (example,), dynamic_shapes=free, strict=False).run_decompositions({})
    except Exception as error:  # torch.export fails in many ways, and each means the same here
        raise AuditError(
            f"{type(net).__name__} cannot be read as a graph for inputs of {shape} ({type(error).__name__}: "
            f"{str(error).strip().splitlines()[0][:160] if str(error).strip() else 'no reason given'}). Its forward must "
            "not branch on pixels nor fix the batch size, and the shape must fit; the searches take any net"
        ) from error


def _read(exported: Any, shape: tuple[int, ...]) -> PiecewiseNet:
    signature = exported.graph_signature
    held = {**exported.state_dict, **exported.constants}
    named = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    known: dict[str, Any] = {name: held[key].detach() for name, key in named.items()}
    moving, width = set(signature.user_inputs), 1
    steps: list[Step] = []
    nodes = [node for node in exported.graph.nodes if node.op == "call_function"]
    for node in nodes:
        inputs = {n.name for n in node.all_input_nodes}
        target = _name(node.target)
        args, kwargs = _filled(node.args, known, moving), _filled(dict(node.kwargs), known, moving)
        if not inputs & moving:
            known[node.name] = node.target(*args, **kwargs)
        elif target == "sym_size" and args[1] == 0:
            known[node.name] = Batch()
        elif (
            target == "getitem"
            and args[1] == 0
            and steps
            and steps[-1].target == "_native_batch_norm_legit_no_training"
        ):
            moving.add(node.name)
            steps.append(Step(node.name, "alias", args[:1], {}, ()))
        else:
            if target not in AFFINE and target not in KINKS:
                raise AuditError(_refusal(target, node))
            moving.add(node.name)
            steps.append(Step(node.name, target, args, kwargs, ()))
            value = node.meta.get("val")
            value = value[0] if isinstance(value, tuple | list) else value
            width = max(width, _numbers(value))
    (source,) = signature.user_inputs
    if len(signature.user_outputs) != 1:
        raise AuditError(f"the net gives {len(signature.user_outputs)} results: wrap it so that it gives logits alone")
    output = signature.user_outputs[0]
    if output not in moving:
        raise AuditError("the net's logits do not depend on its input: there is no ray to audit")
    return PiecewiseNet(_with_ends(steps, output), shape, source, output, width)


def _name(target: Any) -> str:
    return str(getattr(target, "_opname", None) or getattr(target, "__name__", target))


def _numbers(value: Any) -> int:
    count = 1
    for side in getattr(value, "shape", ())[1:]:
        count *= int(side)
    return count


def _filled(value: Any, known: Mapping[str, Any], moving: set[str]) -> Any:
    """`value` with graph nodes replaced: constants by themselves, others by a Ref."""
    if isinstance(value, torch.fx.Node):
        return known[value.name] if value.name in known else Ref(value.name) if value.name in moving else None
    if isinstance(value, tuple | list):
        return tuple(_filled(v, known, moving) for v in value)
    if isinstance(value, dict):
        return {k: _filled(v, known, moving) for k, v in value.items()}
    return value


def _refs(value: Any) -> set[str]:
    if isinstance(value, Ref):
        return {value.name}
    return set().union(*map(_refs, value)) if isinstance(value, tuple) else set()


def _with_ends(steps: list[Step], output: str) -> tuple[Step, ...]:
    """Each step with the values that nothing after it needs."""
    needed, done = {output}, []
    for step in reversed(steps):
        uses = _refs((*step.args, *step.kwargs.values()))
        done.append(Step(step.out, step.target, step.args, step.kwargs, tuple(sorted(uses - needed))))
        needed |= uses
    return tuple(s for s in reversed(done))


def _refusal(target: str, node: Any) -> str:
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1] if stack else ("", "")
    kind = getattr(kind, "__name__", str(kind)).rpartition(".")[2]
    place = f" in layer {path!r} ({kind})" if path else f" in {kind}" if kind else ""
    way = next((text for key, text in INSTEAD.items() if key in target), OTHERWISE)
    return f"{target!r}{place} is not a layer an exact ray can pass. {way} (openset.audit.first_alpha_on_grid)"
