"""Odd ways to train: copies, folders given twice, a run among the pictures, changed files, states of other tools, numbers of numpy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import openset
from drawn import fill, picture
from openset._watch import Watch
from openset.data.listing import Listing, list_pictures
from openset.errors import MissingExtraError, TrainingError
from openset.runfile import BEST, read_tensors
from openset.training import HELD_OUT

QUICK: dict[str, Any] = {"net": "resnet-small", "size": 8, "batch_size": 16, "progress": False, "threads": 1}


def listed(data: Path, *out: Path) -> Listing:
    return list_pictures(str(data), [str(folder) for folder in out], scheme="plain", seed=0, tell=lambda *_: None)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return fill(tmp_path / "data", cat=12, dog=12)


def test_copies_of_a_test_picture_count_once_in_what_is_promised(tmp_path: Path) -> None:
    """Six pictures a class, each saved forty times: all forty of one are on one side, and they are one draw."""
    for name, first in (("cat", 0), ("dog", 100)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(6):
            for copy in range(40):
                picture(first + k, 16).save(tmp_path / "data" / name / f"{k}-{copy}.png")
    run = openset.train(tmp_path / "data", scheme="plain", epochs=1, output=tmp_path / "run", **QUICK)
    held, _ = read_tensors(run.folder / HELD_OUT)
    assert len(held["targets"]) == 80
    assert sorted(held["targets"][held["once"]].tolist()) == [0, 1]
    info = run.info()
    assert info.thresholds == {}
    assert set(info.facts["no_threshold"]) == {"cat", "dog"}


def test_an_out_folder_given_twice_or_inside_another_counts_once(data: Path, tmp_path: Path) -> None:
    fill(tmp_path, out=10)
    fill(tmp_path / "out", sub=4)
    once = listed(data, tmp_path / "out")
    again = listed(data, tmp_path / "out", tmp_path / "out", tmp_path / "out/sub")
    assert sorted(e.path for e in again.entries) == sorted(e.path for e in once.entries)
    assert any("14 pictures given already, taken once" in note for note in again.notes)
    assert any("4 pictures given already, taken once" in note for note in again.notes)


def test_a_run_among_its_own_pictures_is_refused(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cd data && openset train .` would leave a folder that the next run takes for a class."""
    monkeypatch.chdir(data)
    with pytest.raises(TrainingError, match=r"lies inside '\.'.*--output"):
        openset.train(".", epochs=1, **QUICK)
    fill(tmp_path, out=6)
    with pytest.raises(TrainingError, match="lies inside"):
        openset.train(".", out=tmp_path / "out", output=tmp_path / "out/run", epochs=1, **QUICK)
    assert sorted(p.name for p in data.iterdir()) == ["cat", "dog"]


@pytest.mark.parametrize("given", [False, True])
def test_a_picture_changed_to_another_of_the_same_size_is_noticed(tmp_path: Path, given: bool) -> None:
    root = tmp_path / "data"
    for side in ("train", "val", "test") if given else ("",):
        fill(root / side, cat=6, dog=6)
    victim = root / ("val" if given else "") / "cat/000.bmp"
    picture(1).save(victim)
    size, before = victim.stat().st_size, listed(root).fingerprint
    assert listed(root).fingerprint == before
    picture(2).save(victim)
    assert victim.stat().st_size == size
    assert listed(root).fingerprint != before


def test_epochs_that_a_kill_kept_from_the_event_files_are_written_later(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after an epoch's state was saved and before its events were, in the middle and at the very end."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def go() -> openset.Run:
        return openset.train(data, scheme="plain", epochs=3, output=tmp_path / "run", resume=True, **QUICK)

    log = Watch.log
    for stopped in (2, 3):

        def stop(self: Watch, state: Any, at: int = stopped) -> None:
            if state.epoch == at:
                raise KeyboardInterrupt
            log(self, state)

        with monkeypatch.context() as patch:
            patch.setattr(Watch, "log", stop)
            with pytest.raises(KeyboardInterrupt):
                go()
    run = go()
    events = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    seen = [(event.step, event.value) for event in events.Scalars("val_loss")]
    assert seen == [(record["epoch"], pytest.approx(record["val_loss"])) for record in run.history]
    assert len(seen) == 3


@pytest.mark.parametrize("content", ["[]", "3", '{"name": "mine"}'])
def test_a_run_json_of_another_tool_is_no_run(tmp_path: Path, data: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text(content)
    with pytest.raises(TrainingError, match="is not what train wrote"):
        openset.train(data, output=tmp_path / "run", resume=True, epochs=1, **QUICK)
    with pytest.raises(TrainingError, match="is not what train wrote"):
        openset.Run.load(tmp_path / "run")


def test_a_path_of_weights_and_a_seed_of_numpy_are_taken(data: Path, tmp_path: Path) -> None:
    """The weights are the best of a run before, as it keeps them."""
    first = openset.train(data, scheme="plain", epochs=1, output=tmp_path / "first", **QUICK)
    with pytest.raises(TrainingError, match="not those of 'docnet'"):
        openset.train(data, weights=first.folder / BEST, output=tmp_path / "x", epochs=1, **QUICK | {"net": "docnet"})
    second = openset.train(
        data, scheme="plain", epochs=1, lr=1e-12, weight_decay=0, seed=np.int64(3), weights=first.folder / BEST,
        output=tmp_path / "second", **QUICK,
    )  # fmt: skip
    assert json.loads((second.folder / "run.json").read_text())["config"]["seed"] == 3
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("size", [7, 8193])
def test_a_size_that_no_judge_could_read_back_is_refused(data: Path, tmp_path: Path, size: int) -> None:
    with pytest.raises(TrainingError, match=f"size={size} cannot be"):
        openset.train(data, output=tmp_path / "run", epochs=1, **QUICK | {"size": size})


@pytest.mark.parametrize(("package", "net"), [("timm", "resnet10t"), ("tensorboard", "docnet")])
def test_a_package_that_is_not_there_is_named_before_a_long_reading(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, net: str
) -> None:
    import openset._weights
    import openset.training

    def without(find: Callable[[str], Any]) -> Callable[[str], Any]:
        return lambda name: None if name == package else find(name)

    for module in (openset.training, openset._weights):
        monkeypatch.setattr(module, "find_spec", without(module.find_spec))
    with pytest.raises(MissingExtraError, match=package):
        openset.train(data, output=tmp_path / "run", epochs=1, **QUICK | {"net": net})
    assert not (tmp_path / "run").exists()
