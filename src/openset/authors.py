"""The released networks of Hein et al. 2019 (arXiv 1812.05720), from TensorFlow arrays into `ResNetSmall`.

The authors' TensorFlow 1 checkpoints, one npz a net: names as in the graph, with "|" for "/"; kernels [h, w, in, out]
and matrices [in, out], turned here to torch's [out, in, h, w] and [out, in]. TensorFlow's SAME padding is in the net.
The nets take images / 255, unnormalised. No pickle is read. The MNIST nets (LeNet) were not released in this form.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from .errors import DataError
from .nets import ResNetSmall

Arrays = Mapping[str, NDArray[np.float32]]
MOVING = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
READING = (  # what numpy and zipfile raise for a file that is damaged, encrypted or something else
    OSError,
    EOFError,
    ValueError,
    AttributeError,
    TypeError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
STEP = "Variable"  # the optimiser's step counter: the one array that is not the net's


def names() -> dict[str, str]:
    """Name in ResNetSmall's state -> name in the npz, for every array of the net (batch-norm's counters have none)."""
    found = {
        "conv.weight": "block_init|conv|weights",
        "head.weight": "logit|fc|weights",
        "head.bias": "logit|fc|biases",
    }
    norms = {"bn": "unit_last"}
    for block in range(9):
        group, place = divmod(block, 3)
        there, here = f"block_{group + 1}_{place}", f"blocks.{block}"
        norms[f"{here}.bn1"] = f"{there}|{'residual_only' if place else 'shared'}_activation"
        norms[f"{here}.bn2"] = f"{there}|sub2"
        found |= {f"{here}.conv{k}.weight": f"{there}|sub{k}|conv{k}|weights" for k in (1, 2)}
    for here, there in norms.items():
        found |= {f"{here}.{ours}": f"{there}|batch_normalization|{theirs}" for ours, theirs in MOVING.items()}
    return found


def convert(arrays: Arrays) -> ResNetSmall:
    """The net with the authors' arrays, in eval mode. arrays: name in the npz -> float32, as `names` lists them.

    The number of classes K is that of logit|fc|biases [K]. Raises ValueError that names what is missing, unknown or of
    another shape: a net is filled whole or not at all.
    """
    wanted = names()
    missing = sorted(set(wanted.values()) - set(arrays))
    unknown = sorted(set(arrays) - set(wanted.values()) - {STEP})
    if missing or unknown:
        raise ValueError(f"missing arrays: {_few(missing)}; unknown arrays: {_few(unknown)}")
    bias = arrays[wanted["head.bias"]]
    if bias.ndim != 1 or not len(bias):
        raise ValueError(f"logit|fc|biases should be [K], one number a class, and is {list(bias.shape)}")
    net = ResNetSmall(len(bias))
    state = net.state_dict()
    for ours, theirs in wanted.items():
        array = np.asarray(arrays[theirs], np.float32)
        turned = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
        if turned.shape != tuple(state[ours].shape):
            raise ValueError(f"{theirs} should give {list(state[ours].shape)} and gives {list(turned.shape)}")
        if not np.isfinite(turned).all():
            raise ValueError(f"{theirs} holds numbers that are not finite")
        state[ours] = torch.from_numpy(np.ascontiguousarray(turned))
    net.load_state_dict(state)
    return net.eval()


def load(path: str | os.PathLike[str]) -> ResNetSmall:
    """One of the released nets, in eval mode: images [B, 3, 32, 32] in [0, 1] -> logits [B, K].

    Raises DataError that names the file where it is missing, no npz, or does not hold this net's arrays.
    """
    file = Path(path)
    try:
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        return convert(arrays)
    except READING as error:
        raise DataError(f"{file}: not one of the released nets (npz, ResNetSmall as in TensorFlow): {error}") from error


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "none"
