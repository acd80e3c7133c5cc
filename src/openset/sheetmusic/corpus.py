"""Degraded made pictures on disk, in shards that are written once and read through memory maps.

A shard is `NAME.raw` (the gray pixels one after another) and `NAME.npz` (shapes, families, boxes). A shard exists whole
or not at all, so a build that was killed goes on where it stopped; every sample depends on (seed, shard, index) alone, save
where Verovio needs more than the seconds it is given. What a folder is made from stands in it, in RECORD.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import DataError
from .sample import Gray, Sample

SHARD = 200
RECORD = "made-from.json"
REMEDY = "remove it to make it anew, or give another folder (--cache)"
Maker = Callable[[np.random.Generator], Sample]


def digest(*files: Path) -> str:
    """16 hexadecimal digits that change with the name or a byte of any of the files; those that are not there are left out."""
    made = hashlib.sha256()
    for file in files:
        if file.exists():
            made.update(f"{file.name}:{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return made.hexdigest()[:16]


def digest_of(folder: Path) -> str:
    """The digest of a corpus: of what it is made from, and of its indices; pixels are not read."""
    return digest(folder / RECORD, *sorted(folder.glob("*.npz")))


def as_text(made_from: Mapping[str, object]) -> str:
    return json.dumps(made_from, indent=1, sort_keys=True, default=sorted)


def recorded(folder: Path) -> dict[str, object] | None:
    """What the shards or the weights in `folder` are made from; None where there are none yet. Raises DataError where nothing says
    from what."""
    if not any(file for kind in ("*.npz", "*.safetensors") for file in folder.glob(kind)):
        return None
    if not (folder / RECORD).exists():
        raise DataError(f"'{folder}' is of an older version, and nothing in it says what it is made from: {REMEDY}")
    return dict(json.loads((folder / RECORD).read_text()))


def check(folder: Path, made_from: Mapping[str, object]) -> None:
    """Raises DataError where what is in `folder` is made from something else, or nothing says from what."""
    found = recorded(folder)
    if found is None:
        return
    there, wanted = _flat(found), _flat(json.loads(as_text(made_from)))
    differ = [key for key in sorted(there.keys() | wanted.keys()) if there.get(key) != wanted.get(key)]
    if differ:
        told = "; ".join(f"{key}: {_short(there.get(key))} there, {_short(wanted.get(key))} now" for key in differ)
        raise DataError(f"'{folder}' is made from something else ({told}): {REMEDY}")


def _flat(record: Mapping[str, object]) -> dict[str, object]:
    """The record with the entries of inner objects beside the others: {"corpora": {"train": x}} -> {"corpora.train": x}."""
    made: dict[str, object] = {}
    for key, value in record.items():
        made |= {f"{key}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
    return made


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def started(folder: Path, made_from: Mapping[str, object]) -> None:
    """Write what `folder` is made from, where nothing is made there yet. Raises DataError as `check` does."""
    check(folder, made_from)
    record, text = folder / RECORD, as_text(made_from)
    if not record.exists() or record.read_text() != text:
        folder.mkdir(parents=True, exist_ok=True)
        part = record.with_suffix(".part")
        part.write_text(text)
        os.replace(part, record)


def write_shard(stem: Path, samples: list[Sample]) -> None:
    """Write one shard atomically: the index last, and each file under its name only when complete. One that was there goes first."""
    raw = stem.with_suffix(".raw.part")
    with raw.open("wb") as file:
        for sample in samples:
            file.write(np.ascontiguousarray(sample.image).tobytes())
    stem.with_suffix(".npz").unlink(missing_ok=True)
    os.replace(raw, stem.with_suffix(".raw"))
    index = stem.with_suffix(".npz.part")
    with index.open("wb") as file:
        np.savez(
            file,
            shape=np.array([s.image.shape for s in samples], np.int32),
            family=np.array([s.family for s in samples]),
            sheet=np.array([s.sheet for s in samples], bool),
            n_notes=np.array([len(s.notes) for s in samples], np.int32),
            n_staves=np.array([len(s.staves) for s in samples], np.int32),
            notes=np.concatenate([s.notes for s in samples]).astype(np.float32),
            staves=np.concatenate([s.staves for s in samples]).astype(np.float32),
        )
    os.replace(index, stem.with_suffix(".npz"))


@dataclass(frozen=True)
class Corpus:
    """All samples of the shards in one folder, in order; pixels stay on disk until asked for."""

    family: list[str]
    sheet: np.ndarray
    _images: list[Gray]
    _notes: list[np.ndarray]
    _staves: list[np.ndarray]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, i: int) -> Sample:
        return Sample(self._images[i], self.family[i], bool(self.sheet[i]), self._notes[i], self._staves[i])

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    @staticmethod
    def open(*folders: Path) -> Corpus:
        """One or several folders as one corpus. Raises DataError where they hold no finished shard."""
        family: list[str] = []
        sheet: list[np.ndarray] = []
        images: list[Gray] = []
        notes: list[np.ndarray] = []
        staves: list[np.ndarray] = []
        for index in [index for folder in folders for index in sorted(folder.glob("*.npz"))]:
            with np.load(index, allow_pickle=False) as data:
                shapes = data["shape"].astype(int)
                pixels = np.memmap(index.with_suffix(".raw"), np.uint8, "r")
                ends = np.cumsum(shapes.prod(1))
                images += [pixels[end - h * w : end].reshape(h, w) for end, (h, w) in zip(ends, shapes, strict=True)]
                family += [str(name) for name in data["family"]]
                sheet.append(data["sheet"])
                notes += np.split(data["notes"], np.cumsum(data["n_notes"])[:-1])
                staves += np.split(data["staves"], np.cumsum(data["n_staves"])[:-1])
        if not images:
            raise DataError(
                f"no finished shard in {' or '.join(map(str, folders))!r}; make the data with: make sheet-music"
            )
        return Corpus(family, np.concatenate(sheet), images, notes, staves)


def _sample(make: Maker, key: list[int]) -> Sample:
    """One sample; a draw that fails is said and drawn again from the next seed, five times at most."""
    for attempt in range(5):
        try:
            return make(np.random.default_rng([*key, attempt] if attempt else key))
        except Exception as error:
            print(
                f"picture {key} attempt {attempt} failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True
            )
            last = error
    raise last


_make: Maker | None = None  # in a worker: what it makes pictures by, for all its shards


def _fill(stem: str, seed: int, shard: int, count: int, load: Callable[[], Maker]) -> int:
    """One worker's job: make a shard. `load` is called in the worker, once: reading scores and fonts takes as long as half a shard."""
    global _make
    if _make is None:
        cv2.setNumThreads(1)
        _make = load()
    write_shard(Path(stem), [_sample(_make, [seed, shard, i]) for i in range(count)])
    return count


def build(
    folder: Path,
    count: int,
    seed: int,
    load: Callable[[], Maker],
    *,
    workers: int,
    progress: Callable[[int, int], None],
    shard: int = SHARD,
    about: Mapping[str, object] | None = None,
) -> None:
    """Fill `folder` with `count` samples; shards that exist are kept. progress(done, total) after each shard.

    about: what else the samples depend on. Raises DataError where the folder's shards are of another count, seed or `about`.
    """
    started(folder, {"count": count, "seed": seed, "shard": shard, **(about or {})})
    jobs = [(k, min(shard, count - k * shard)) for k in range((count + shard - 1) // shard)]
    open_jobs = [(k, n) for k, n in jobs if not (folder / f"{k:05d}.npz").exists()]
    done = count - sum(n for _, n in open_jobs)
    progress(done, count)
    if not open_jobs:
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(_fill, str(folder / f"{k:05d}"), seed, k, n, load) for k, n in open_jobs]
        try:
            for future in as_completed(futures):
                done += future.result()
                progress(done, count)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
