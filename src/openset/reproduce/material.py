"""Noise pictures of 32 x 32 for nets whose training pictures are not at hand: what is permuted are photographs.

The photographs lie inside packages: scikit-image's astronaut, cat and coffee, scikit-learn's temple and flower. So
"permuted" here is not the paper's permuted CIFAR or SVHN, but pixels of other pictures in random order.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.noise import blurred, permuted
from ..errors import MissingExtraError
from ..images import load

SIDE, BATCH = 32, 32
KINDS = ("low-passed uniform", "low-passed permuted", "raw uniform")
PHOTOGRAPHS = {
    "skimage": ("data/astronaut.png", "data/chelsea.png", "data/coffee.png"),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
}


def seeded(*names: str) -> torch.Generator:
    """A generator whose seed is a function of the names."""
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def photograph_files() -> list[Path]:
    """The five files. Raises MissingExtraError."""
    found = []
    for package, names in PHOTOGRAPHS.items():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise MissingExtraError("permuting photographs", package, "reproduce")
        found += [Path(spec.origin).parent / name for name in names]
    return found


def photographs(n: int, generator: torch.Generator) -> Tensor:
    """[n, 3, 32, 32] in [0, 1]: random crops, half the size of the photograph's short side."""
    from PIL import Image

    pictures = [Image.fromarray(load(str(path))) for path in photograph_files()]
    crops = []
    for u in torch.rand((n, 3), generator=generator).tolist():
        picture = pictures[int(u[0] * len(pictures))]
        side = min(picture.size) // 2
        x, y = int(u[1] * (picture.width - side)), int(u[2] * (picture.height - side))
        crop = picture.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.Resampling.BOX)
        crops.append(torch.from_numpy(np.asarray(crop, np.float32) / 255).permute(2, 0, 1))
    return torch.stack(crops)


def both_kinds(n: int, few: int, batch: int) -> Tensor:
    """Which `few` of n pictures of `paper_noise` are attacked, int64; it was drawn in batches of `batch`, uniform ones first.

    The first, where no kind is over by a twentieth of them; else as many uniform as permuted ones, spread evenly over
    each kind.
    """
    at = torch.arange(n)
    size = (n - at // batch * batch).clamp(max=batch)  # of the picture's batch
    raw = at % batch < size // 2
    if abs(2 * int(raw[:few].sum()) - few) <= few // 20:
        return at[:few]
    kinds = [at[raw], at[~raw]]
    return torch.cat(
        [kind[torch.arange(k) * len(kind) // k] for kind, k in zip(kinds, (few // 2, few - few // 2), strict=True)]
    )


def noise(kind: str, n: int) -> Tensor:
    """[n, 3, 32, 32] of one of KINDS; the first images do not depend on n within a batch of 32. Raises ValueError."""
    if kind not in KINDS or n < 1:
        raise ValueError(
            f"noise of kind {kind!r}, {n} of it, cannot be: it must be one of {', '.join(KINDS)}, at least 1"
        )
    parts = []
    for first in range(0, n, BATCH):
        g = seeded("noise", kind, str(first))
        if kind == "low-passed permuted":
            x = blurred(permuted(photographs(BATCH, g), g), g)
        else:
            x = torch.rand((BATCH, 3, SIDE, SIDE), generator=g)
            x = blurred(x, g) if kind == "low-passed uniform" else x
        parts.append(x)
    return torch.cat(parts)[:n]
