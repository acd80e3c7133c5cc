"""timm's nets behind our contract, and weights from a file: safetensors, or torch with `weights_only=True`.

Nothing here ever unpickles code. A classifier whose class count differs is dropped and named in a warning.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ._words import counted
from .errors import MissingExtraError, TrainingError
from .nets import OWN, Net
from .types import Preprocess


class TimmNet(Net):
    """Any timm image classifier as it is: its mean and std are applied inside. It has no features; see `timm_net`."""

    def __init__(self, name: str, classes: int, side: int, body: Any) -> None:
        super().__init__(f"timm:{name}", classes, Preprocess(mode="stretch", size=side))
        self.body = body
        mean, std = body.pretrained_cfg.get("mean", (0.0,) * 3), body.pretrained_cfg.get("std", (1.0,) * 3)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.body((x - self.mean) / self.std)


class TimmFeatureNet(TimmNet):
    """A timm net whose features are what its classifier takes."""

    def features(self, x: Tensor) -> Tensor:
        hidden = self.body.forward_features((x - self.mean) / self.std)
        return self.body.forward_head(hidden, pre_logits=True)

    def classify(self, features: Tensor) -> Tensor:
        return self.body.get_classifier()(features)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x))


def timm_net(name: str, classes: int, pretrained: bool, size: int | None) -> TimmNet:
    """timm's `name` for pictures of side `size` (None: its own). With features where its classifier takes them alone.

    Some have two classifiers (distilled ones), one that is a convolution, or a norm between: these have no features.
    """
    body = _create(name, classes, pretrained, size)
    side = int(body.pretrained_cfg.get("input_size", (3, 224, 224))[-1]) if size is None else size
    kind = TimmFeatureNet if _classifies_features(body, side) else TimmNet
    return kind(name, classes, side, body)


def _classifies_features(body: Any, side: int) -> bool:
    """Is the answer `get_classifier()(features)`, with nothing between? Tried on one picture; the body is as it was after."""
    last, taken = body.get_classifier(), list[Tensor]()
    if not isinstance(last, nn.Module):
        return False
    hook = last.register_forward_pre_hook(lambda _module, given: taken.append(given[0]))
    body.eval()
    try:
        with torch.no_grad():
            hidden = body.forward_features(torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0)))
            features = body.forward_head(hidden, pre_logits=True)
            logits = body.forward_head(hidden)
            alone = len(taken) == 1 and features.dim() == 2 and torch.equal(taken[0], features)
            return alone and torch.allclose(last(features), logits, rtol=1e-4)
    except Exception:  # it takes no such pictures: a run says so when it tries the net
        return False
    finally:
        hook.remove()
        body.train()


def check_timm(name: str) -> None:
    """Raises TrainingError for a name that timm does not know, with those near it; MissingExtraError without timm."""
    if find_spec("timm") is None:
        raise MissingExtraError(f"A net of timm's ({name})", "timm", "train")
    import timm

    if not timm.is_model(name):
        near = timm.list_models(f"*{name.split('.')[0][:6]}*")[:5]
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise TrainingError(
            f"there is no net called {name!r}: use {', '.join(OWN)}, or a name of timm.list_models(){hint}"
        )


def _create(name: str, classes: int, pretrained: bool, size: int | None) -> Any:
    import timm

    check_timm(name)
    made_for_one = getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False)  # ViT, Swin
    given = {} if size is None or not made_for_one else {"img_size": size}
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=classes, **given)
    except Exception as error:
        if not pretrained:
            sized, remedy = (f" for pictures of size {size}", "another --size, or ") if given else ("", "")
            raise TrainingError(f"timm cannot build {name!r}{sized} ({error}): give {remedy}another --net") from error
        raise TrainingError(
            f"the pretrained weights of {name!r} cannot be had here ({type(error).__name__}: {str(error)[:200]}). "
            "Fetch them on a machine with network and give the file with --weights FILE, or train without pretrained"
        ) from error


def load_weights(net: Net, path: str) -> None:
    """Load the state dict at `path` into `net`, whole but for a classifier of another size.

    Raises TrainingError if the file cannot be read safely, or holds other tensors than the net has.
    """
    state = _of_run(_read(path))
    target: nn.Module = net.body if isinstance(net, TimmNet) and not any(k.startswith("body.") for k in state) else net
    own = target.state_dict()
    heads = _head_names(net, target)
    wrong = sorted(k for k in own if k in state and own[k].shape != state[k].shape)
    dropped = [k for k in wrong if k in heads]
    missing = sorted(k for k in own if k not in state and k not in heads and not k.endswith("num_batches_tracked"))
    extra = sorted(k for k in state if k not in own)
    bad = [k for k in wrong if k not in heads]
    if bad or missing or extra:
        raise TrainingError(
            f"the weights in {path!r} are not those of {net.name!r}: {counted(len(missing), 'tensor')} missing {missing[:3]}, "
            f"{len(extra)} unknown {extra[:3]}, {len(bad)} of another shape {bad[:3]}. Name the net they were "
            "saved from"
        )
    lost = sorted({*dropped, *(k for k in heads if k not in state)})
    if lost:
        warnings.warn(
            f"{path!r} was trained for other classes: the classifier ({', '.join(lost)}) starts at random",
            stacklevel=3,
        )
    target.load_state_dict({k: v for k, v in state.items() if k in own and k not in lost}, strict=False)


def load_state(net: nn.Module, path: str, name: str) -> None:
    """Load the state dict at `path` into `net`, all of it. Raises TrainingError for other tensors than the net has."""
    state, own = _read(path), net.state_dict()
    missing = sorted(k for k in own if k not in state and not k.endswith("num_batches_tracked"))
    extra = sorted(k for k in state if k not in own)
    wrong = sorted(k for k in own if k in state and own[k].shape != state[k].shape)
    if missing or extra or wrong:
        raise TrainingError(
            f"the weights in {path!r} are not those of {name}: {counted(len(missing), 'tensor')} missing {missing[:3]}, "
            f"{len(extra)} unknown {extra[:3]}, {len(wrong)} of another shape {wrong[:3]}"
        )
    net.load_state_dict(state, strict=False)


def _of_run(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of a run's state (see `runfile.net_tensors`) the net's tensors; any other as it is."""
    net = {key.removeprefix("net."): value for key, value in state.items() if key.startswith("net.")}
    return net if net and all(key.startswith(("net.", "optimiser.", "chains.")) for key in state) else state


def _head_names(net: Net, target: nn.Module) -> set[str]:
    last = net.body.get_classifier() if isinstance(net, TimmNet) else net.head
    heads = last if isinstance(last, tuple) else (last,)
    tensors = {id(t) for head in heads for t in (*head.parameters(), *head.buffers())}
    named = [*target.named_parameters(), *target.named_buffers()]
    return {name for name, tensor in named if id(tensor) in tensors}


def _read(path: str) -> dict[str, Tensor]:
    file = Path(path)
    if not file.is_file():
        raise TrainingError(f"no weights file at {path!r}: check --weights")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise TrainingError(
            f"{path!r} cannot be read as weights ({type(error).__name__}). Only safetensors files and torch state "
            "dicts of plain tensors are loaded, because anything else could run code; save it again as safetensors"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise TrainingError(
            f"{path!r} holds {type(state).__name__}, not a state dict of tensors: save model.state_dict()"
        )
    return state
