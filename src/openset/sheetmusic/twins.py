"""Fetched pictures kept for testing of which a near copy is trained on: frames of one film, one photograph under many filters.

They are drawn for neither side. Found once by `openset.data.near`, which takes a minute or two, and kept beside the files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..data import near, prints
from ..onnxbytes import write_atomic

FILE = "twins.json"
LOOKED_AT = ("photo", "stamp", "screen")  # documents are split by their folders
Side = Callable[[Sequence[Path], bool], Sequence[Path]]  # (files, held out?) -> those of that side


def twins(assets: Path, files: Mapping[str, tuple[Path, ...]], side: Side) -> frozenset[Path]:
    """Of the files by kind, the held-out ones that are copies or near copies of others. Raises OSError where `assets` cannot be
    written."""
    wanted = {kind: files[kind] for kind in LOOKED_AT if files[kind]}
    if not wanted:
        return frozenset()
    names = hashlib.sha256("\n".join(str(f.name) for group in wanted.values() for f in group).encode()).hexdigest()
    kept = assets / FILE
    if kept.exists():
        content = json.loads(kept.read_text())
        if content["of"] == names:
            return frozenset(f for group in wanted.values() for f in group if _name(f) in content["left_out"])
    left = [f for group in wanted.values() for f in _copied(group, set(side(group, True)))]
    if assets.is_dir():  # not where nothing could be fetched and packages' own pictures are all there is
        write_atomic(kept, json.dumps({"of": names, "left_out": [_name(f) for f in left]}, indent=1).encode())
    return frozenset(left)


def _name(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def _copied(files: Sequence[Path], held: set[Path]) -> list[Path]:
    first = near.clusters(prints.fingerprint([str(f) for f in files]))
    trained = {first[k] for k, f in enumerate(files) if f not in held}
    return [f for k, f in enumerate(files) if f in held and first[k] in trained]
