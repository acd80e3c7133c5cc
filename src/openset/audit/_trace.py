"""A torch net -> its list of steps, each affine or a kink (ReLU, leaky ReLU, maximum), in float64.

`torch.export` reads the graph at the shape of one input, batch free; in-place layers come out functional. Everything
else is refused by name. The user's net is copied: its weights, type and mode stay as they are.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import AuditError
from ._refusals import OTHERWISE, check_logits, copied, first_line, refusal
from ._steps import AFFINE, KINKS, Batch, Rows

SIZED = ("expand", "full", "ones", "zeros", "new_full", "new_ones", "new_zeros")  # constants made once a picture


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

    Raises AuditError for a layer that is not piecewise affine, by name, for control flow that depends on pixels, for
    results that are not logits [B, K], K >= 2, finite, and where the steps read do not give what the net itself gives.
    """
    if isinstance(net, PiecewiseNet):
        if net.shape != tuple(shape):
            raise AuditError(f"this net was traced for inputs of {net.shape}, got {tuple(shape)}: trace it again")
        return net
    own, x = copied(net).to("cpu", torch.float64), _two(tuple(shape))
    lines = _read(_export(own, x), tuple(shape))
    _compare(lines, own, x)
    return lines


def _two(shape: tuple[int, ...]) -> Tensor:
    try:
        return torch.rand((2, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    except (RuntimeError, TypeError) as error:
        raise AuditError(f"there is no memory for two inputs of {shape}: give a smaller shape") from error


def _compare(lines: PiecewiseNet, net: nn.Module, x: Tensor) -> None:
    """What was read, against the net itself on the pictures x [2, *shape]."""
    name = type(net).__name__
    with torch.no_grad():
        try:
            wanted = net(x)
            check_logits(name, wanted, 2)
            if not bool(torch.isfinite(wanted).all()):
                raise AuditError(f"{name} gives logits that are not finite for pixels in [0, 1]: check its weights")
            found = lines.logits(x)
            same = found.shape == wanted.shape and bool(
                (found - wanted).abs().amax() <= 1e-6 * (1 + wanted.abs().amax())
            )
        except (RuntimeError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise AuditError(f"{name} cannot be followed layer by layer ({first_line(error)}). {OTHERWISE}") from error
    if not same:
        raise AuditError(f"{name}, read layer by layer, does not give what it gives as a whole. {OTHERWISE}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's own log of what cannot be read, tracebacks included: the error tells it."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _export(net: nn.Module, x: Tensor) -> Any:
    try:
        with torch.no_grad(), warnings.catch_warnings(), _quiet():
            warnings.simplefilter("ignore")
            free = ({0: torch.export.Dim.DYNAMIC},)
            return torch.export.export(net, (x,), dynamic_shapes=free, strict=False).run_decompositions({})
    except Exception as error:  # torch.export fails in many ways, and each means the same here
        raise AuditError(
            f"{type(net).__name__} cannot be read as a graph for inputs of {tuple(x.shape[1:])} ({type(error).__name__}: "
            f"{first_line(error)}). Its forward must not branch on pixels nor fix the batch size, and the shape must fit; "
            "the searches take any net"
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
            if _sized(args) or _sized(kwargs):
                if target not in SIZED:
                    raise AuditError(refusal(target, node))
                args, kwargs = _for_one(args), _for_one(kwargs)
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
                raise AuditError(refusal(target, node))
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


def _sized(value: Any) -> bool:
    """Does the batch size stand in it?"""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
    return isinstance(value, Batch) or any(map(_sized, parts))


def _for_one(value: Any) -> Any:
    """`value` for a batch of one: such a constant is then the same for every picture."""
    if isinstance(value, Batch):
        return 1
    if isinstance(value, dict):
        return {k: _for_one(v) for k, v in value.items()}
    return [_for_one(v) for v in value] if isinstance(value, tuple) else value


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
