"""What a build of the sheet-music judge remembers: made from something else it is refused, from the same it goes on."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from made_corpus import NONE, other, score
from openset.errors import DataError
from openset.sheetmusic import assets, fonts
from openset.sheetmusic import build as build_room
from openset.sheetmusic.__main__ import TINY, asked
from openset.sheetmusic.build import SHIPPED, train_backbones, two_looks
from openset.sheetmusic.corpus import RECORD, Corpus, build, started, write_shard
from openset.sheetmusic.data import fetch, missing
from openset.sheetmusic.fit import BACKBONE, put
from openset.sheetmusic.net import NARROW, WIDE, Backbone, TwoLooks
from openset.sheetmusic.plan import STAGES, Plan, Stage
from openset.sheetmusic.pool import Pages
from openset.sheetmusic.readings import pages_of
from openset.sheetmusic.sample import Sample


def one_gray(rng: np.random.Generator) -> Sample:
    return Sample(np.full((8, 8), int(rng.integers(256)), np.uint8), "gray", False)


def load_gray() -> Callable[[np.random.Generator], Sample]:
    return one_gray


def quiet(done: int, total: int) -> None:
    assert done <= total


def grays(folder: Path, count: int = 5, seed: int = 7, **about: object) -> None:
    build(folder, count, seed, load_gray, workers=1, progress=quiet, shard=2, about=about)


def few(cache: Path, seed: int = 0) -> None:
    """cache/corpus/train: two scores and two others, large enough to be cut from."""
    rng = np.random.default_rng(seed)
    pages = [score(rng), score(rng), other("prose_page", rng), other("contours", rng)]
    large = [replace(page, image=np.pad(page.image, ((0, 400), (0, 200)), constant_values=255)) for page in pages]
    (cache / "corpus" / "train").mkdir(parents=True)
    write_shard(cache / "corpus" / "train" / "00000", large)


def test_a_corpus_of_another_plan_is_refused_and_of_the_same_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    grays(folder, recipe={"share": 0.5})
    (folder / "00001.npz").unlink()
    before = (folder / "00000.npz").stat().st_mtime_ns
    grays(folder, recipe={"share": 0.5})
    assert len(Corpus.open(folder)) == 5
    assert (folder / "00000.npz").stat().st_mtime_ns == before
    for asked_now, said in (
        ({"count": 9}, "count: 5 there, 9 now"),
        ({"seed": 8}, "seed: 7 there, 8 now"),
        ({"recipe": {"share": 0.6}}, r"recipe\.share: 0\.5 there, 0\.6 now"),
    ):
        with pytest.raises(DataError, match=f"{folder}' is made from something else .*{said}.*: remove it .*--cache"):
            grays(folder, **{"recipe": {"share": 0.5}} | asked_now)  # type: ignore[arg-type]


def test_a_corpus_of_an_older_version_is_refused_and_one_not_begun_is_not(tmp_path: Path) -> None:
    grays(tmp_path)
    (tmp_path / RECORD).unlink()
    with pytest.raises(DataError, match=r"is of an older version.*remove it"):
        grays(tmp_path)
    for shard in tmp_path.glob("*.npz"):
        shard.unlink()
    grays(tmp_path, seed=8)
    assert json.loads((tmp_path / RECORD).read_text())["seed"] == 8


def test_a_backbone_of_other_settings_or_inputs_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    few(tmp_path)
    first = Stage("first", ("train",), 1, 1e-3, widths=NARROW)
    stages = (first, replace(first, name="more", start="first"))
    train_backbones(tmp_path, stages, 0, 1)
    train_backbones(tmp_path, stages, 0, 1)
    longer = (first, replace(stages[1], steps=9))
    with pytest.raises(DataError, match=r"more' is made from something else \(steps: 1 there, 9 now\)"):
        train_backbones(tmp_path, longer, 0, 1)
    with pytest.raises(DataError, match=r"first' .*seed: 0 there, 5 now"):
        train_backbones(tmp_path, stages, 5, 1)
    file, weights = tmp_path / "first" / BACKBONE, load_file(tmp_path / "first" / BACKBONE)
    save_file({name: tensor + 1 for name, tensor in weights.items()}, file)
    with pytest.raises(DataError, match=r"more' .*\(backbones\.first: "):
        train_backbones(tmp_path, stages, 0, 1)
    save_file(weights, file)
    (tmp_path / "corpus" / "train" / "00000.npz").rename(tmp_path / "corpus" / "train" / "00001.npz")
    with pytest.raises(DataError, match=r"first' .*\(corpora\.train: "):
        train_backbones(tmp_path, stages, 0, 1)


def test_a_backbone_of_an_older_version_is_refused(tmp_path: Path) -> None:
    few(tmp_path)
    (tmp_path / "old").mkdir()
    put(Backbone(NARROW).state_dict(), tmp_path / "old" / BACKBONE)
    with pytest.raises(DataError, match="old' is of an older version"):
        train_backbones(tmp_path, (Stage("old", ("train",), 1, 1e-3, widths=NARROW),), 0, 1)


def test_readings_are_kept_for_these_weights_and_this_data(tmp_path: Path) -> None:
    few(tmp_path)
    (tmp_path / "plain").mkdir()

    def reading(value: float) -> float:
        def read(page: Tensor) -> Tensor:
            return torch.full((len(page), 1), value)

        return float(pages_of(tmp_path, read, "plain", "train", None, lambda _: None).features.unique())

    put({"w": torch.zeros(1)}, tmp_path / "plain" / BACKBONE)
    assert (reading(1.0), reading(2.0)) == (1.0, 1.0), "read once"
    put({"w": torch.ones(1)}, tmp_path / "plain" / BACKBONE)
    assert reading(3.0) == 3.0, "other weights"
    write_shard(tmp_path / "corpus" / "train" / "00001", [Sample(np.zeros((64, 64), np.uint8), "flat", False, *NONE)])
    assert reading(4.0) == 4.0, "other pages"


def test_new_backbones_do_not_meet_an_old_pooling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fitting takes minutes; what is asked here is which of those that were fitted is met."""

    def drawn(pages: Pages, *, seed: int) -> TwoLooks:
        torch.manual_seed(seed + int(1e6 * pages.features.double().abs().sum()))
        return TwoLooks()

    monkeypatch.setattr(build_room, "fit_looks", drawn)
    few(tmp_path)
    plan = Plan(pages=4, noise_rounds=0)

    def trained(seed: int) -> Tensor:
        torch.manual_seed(seed)
        for name, widths in (("calm", WIDE), ("second", NARROW)):
            (tmp_path / name).mkdir(exist_ok=True)
            put(Backbone(widths).state_dict(), tmp_path / name / BACKBONE)
        state = two_looks(tmp_path, plan, lambda _: None).pooling.state_dict()
        return torch.cat([tensor.flatten().double() for tensor in state.values()])

    first = trained(0)
    assert len(list(tmp_path.glob("calm-second-*.safetensors"))) == 1
    assert not torch.equal(trained(1), first)
    torch.testing.assert_close(trained(0), first, rtol=0, atol=0)  # loaded
    assert len(list(tmp_path.glob("calm-second-*.safetensors"))) == 2


def test_weights_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / BACKBONE
    put({"w": torch.zeros(3)}, file)
    before, limits = file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises((OSError, SafetensorError)):
            put({"w": torch.zeros(100_000)}, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before


def test_a_trial_leaves_the_shipped_judge_and_the_real_cache_alone(tmp_path: Path) -> None:
    cache, plan, _, target = asked([])
    assert (plan, target) == (Plan(), SHIPPED)
    tiny_cache, tiny, _, tiny_target = asked(["--tiny"])
    assert (tiny, tiny_target.parent) == (TINY, tiny_cache)
    assert tiny_cache != cache
    assert asked(["--tiny", "--cache", str(tmp_path)])[3].parent == tmp_path
    assert [stage.name for stage in tiny.stages] == [stage.name for stage in STAGES]


def test_what_could_not_be_fetched_is_named_and_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No network at first, then one for a single package; once pictures are made without a package it stays away."""
    tools, log = tmp_path / "bin", tmp_path / "asked"
    tools.mkdir()
    for name in ("apt-get", "npm"):
        (tools / name).write_text(f'#!/bin/sh\nfor last; do :; done\necho "$last" >> {log}\nexit 1\n')
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))

    def tried() -> tuple[list[str], str]:
        log.write_text("")
        said: list[str] = []
        left = fetch(tmp_path, said.append)
        assert left == missing(tmp_path)
        return log.read_text().split(), said[-1]

    every = {*fonts.PACKAGES, *assets.PACKAGES}
    for _ in range(2):
        attempts, told = tried()
        assert set(attempts) == every
        assert all(name in told for name in every)
    for name in fonts.PACKAGES[1:]:
        (tmp_path / "fonts" / name).mkdir()
    for name, kind in assets.PACKAGES.items():
        (tmp_path / "assets" / kind / name).mkdir(parents=True)
    attempts, told = tried()
    assert attempts == [fonts.PACKAGES[0]]
    assert told == f"goes on without 1 package of fonts and pictures: {fonts.PACKAGES[0]}"
    folder = tmp_path / "corpus" / "train"
    started(folder, {"without": missing(tmp_path)})
    write_shard(folder / "00000", [one_gray(np.random.default_rng(0))])
    (tmp_path / "fonts" / fonts.PACKAGES[1]).rmdir()  # pictures have been made with this one
    attempts, told = tried()
    assert attempts == [fonts.PACKAGES[1]]
    assert f"to ask for them again remove {tmp_path / 'corpus'}" in told
    (tmp_path / "fonts" / fonts.PACKAGES[0]).mkdir()
    (tmp_path / "fonts" / fonts.PACKAGES[1]).mkdir()
    said: list[str] = []
    assert (fetch(tmp_path, said.append), said) == ([], [])
