"""openset: image classifiers that know when they don't know.

`import openset` imports nothing heavy. The names below load their module on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .judge import Judge, open_judge
    from .training import Run, train
    from .wrapping import wrap

__version__ = "0.1.0"

_LAZY = {
    "Judge": "judge",
    "open_judge": "judge",
    "Run": "training",
    "train": "training",
    "wrap": "wrapping",
}

__all__ = ["Judge", "Run", "__version__", "open_judge", "train", "wrap"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        try:
            module = importlib.import_module(f"{__name__}.{_LAZY[name]}")
        except ModuleNotFoundError as error:
            if error.name not in ("torch", "safetensors", "timm", "torchvision", "tensorboard"):
                raise
            from .errors import MissingExtraError

            raise MissingExtraError(f"{__name__}.{name}", error.name, "train") from error
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
