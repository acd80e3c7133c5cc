"""A run's folder: `state.safetensors` (the last state), `best.safetensors`, `run.json`, TensorBoard files. No pickle.

Every file is written beside itself, flushed to the disk and put in place by one rename, so that a process killed
at any moment leaves the old file or the new one, never half of one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from .errors import TrainingError

STATE, BEST, RUN = "state.safetensors", "best.safetensors", "run.json"
VERSION = 1


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into one TrainingError that names the folder and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TrainingError(
                f"the disk of the run folder '{folder}' is full: free some space, then go on with resume. "
                "The last state that was saved is whole"
            ) from error
        raise TrainingError(
            f"the run folder '{folder}' cannot be written ({error.strerror or error}): "
            "choose another with --output, or repair its permissions"
        ) from error


def write_atomic(path: Path, content: bytes) -> None:
    """`content` at `path`, whole or not at all. Raises TrainingError when the disk refuses."""
    part = path.with_name(
        f".{seed_of(path.name):016x}.part"
    )  # short whatever the name; what a kill left is written over
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(part, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Tensors and one JSON note in one safetensors file, atomically. The same input gives the same bytes."""
    plain = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    write_atomic(path, save(plain, metadata={"openset": json.dumps(note, sort_keys=True)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_tensors` wrote. Raises TrainingError for a file that is not one."""
    try:
        with safe_open(path, framework="pt") as file:
            note = json.loads((file.metadata() or {})["openset"])
            return {name: file.get_tensor(name) for name in file.keys()}, note  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise TrainingError(
            f"'{path}' is not a state of an openset run: {error}. Train again into a new folder"
        ) from error


def write_run(folder: Path, content: Mapping[str, Any]) -> None:
    """`run.json`: config, labels, facts, history and versions, for people and for `Run.load`."""
    text = json.dumps({"version": VERSION, **content}, indent=1, ensure_ascii=False)
    write_atomic(folder / RUN, text.encode(errors="backslashreplace"))  # a byte that is no text: JSON's own escape


def read_run(folder: Path) -> dict[str, Any]:
    """The content of `run.json`. Raises TrainingError if the folder holds no run, or one of a newer version."""
    try:
        content = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise TrainingError(f"'{folder}' holds no run ({RUN} is missing): give the folder that train wrote") from None
    except OSError as error:
        raise TrainingError(f"'{folder / RUN}' cannot be read ({error.strerror}): check its permissions") from error
    except ValueError as error:
        raise TrainingError(
            f"'{folder / RUN}' is not what train wrote ({error}): get it back from a copy, or train into another --output"
        ) from error
    if not isinstance(content, dict) or not {"version", "config", "labels"} <= content.keys():
        raise TrainingError(
            f"'{folder / RUN}' is not what train wrote: give the folder that train wrote, or train into another --output"
        )
    if content["version"] > VERSION:
        raise TrainingError(
            f"'{folder}' is of run version {content['version']}, this release reads {VERSION}: upgrade openset"
        )
    return cast(dict[str, Any], content)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state by parameter number and name; its settings are a function of the config."""
    return {
        f"optimiser.{i}.{name}": value
        for i, entries in optimiser.state_dict()["state"].items()
        for name, value in entries.items()
        if isinstance(value, Tensor)
    }


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put what `optimiser_tensors` took back into an optimiser made with the same settings."""
    entries: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, i, name = key.split(".", 2)
            entries.setdefault(int(i), {})[name] = value
    optimiser.load_state_dict({"state": entries, "param_groups": optimiser.state_dict()["param_groups"]})


def net_tensors(net: nn.Module) -> dict[str, Tensor]:
    """The net's weights and buffers under "net.", as stored."""
    return {f"net.{name}": value for name, value in net.state_dict().items()}


def load_net(net: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put what `net_tensors` took back. Raises TrainingError if it is of another net."""
    state = {key.removeprefix("net."): value for key, value in tensors.items() if key.startswith("net.")}
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise TrainingError(f"the saved weights are not of this net: {str(error)[:300]}") from error


def seed_of(*counters: int | str) -> int:
    """A 63-bit seed that depends on the counters alone, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, counters)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(device: torch.device, *counters: int | str) -> torch.Generator:
    """torch randomness for one place of a run, say (seed, epoch, step): nothing depends on what ran before."""
    return torch.Generator(device).manual_seed(seed_of(*counters))


def numpy_generator(*counters: int | str) -> np.random.Generator:
    """numpy randomness for one place of a run."""
    return np.random.Generator(np.random.PCG64(seed_of(*counters)))
