"""Training from folders to a judge: a user's story, one and several classes, and the errors a newcomer makes."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image

import openset
from drawn import fill
from openset import Run
from openset._drawn import with_drawn
from openset._loop import Halved, _step, out_batch
from openset._runfacts import with_length
from openset._schedule import Config, eps_at, learning_rate, make_optimiser
from openset.data import outliers
from openset.data.listing import list_pictures
from openset.data.noise import paper_noise
from openset.errors import DataError, TrainingError
from openset.images import resize
from openset.loader import Augment, Budget, Material, Split, augmented, decode_all, join, prefetched, stack
from openset.nets import build
from openset.runfile import BEST, generator, numpy_generator, read_tensors, seed_of
from openset.types import Preprocess

VIT, RESNET = "test_vit.r160_in1k", "test_resnet.r160_in1k"
QUICK: dict[str, Any] = {"net": "resnet-small", "size": 16, "batch_size": 16, "progress": False, "threads": 1}


def draw(kind: str, rng: np.random.Generator) -> Image.Image:
    """A noisy 20 x 20 picture of stripes that run down, across or nowhere (dots), each with its own phase."""
    wave = np.sin(np.arange(20) * 2 * np.pi / rng.uniform(4, 7) + rng.uniform(0, 6))
    pattern = {
        "down": np.tile(wave, (20, 1)),
        "across": np.tile(wave[:, None], (1, 20)),
        "dots": rng.normal(0, 1, (20, 20)),
    }
    pixels = 128 + 80 * pattern[kind][..., None] + rng.normal(0, 15, (20, 20, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def pictures(folder: Path, kinds: dict[str, str], n: int = 40) -> Path:
    """`folder`/<name>/ with n pictures of a kind, for each name -> kind."""
    rng = np.random.default_rng(len(kinds))
    for name, kind in kinds.items():
        (folder / name).mkdir(parents=True)
        for i in range(n):
            draw(kind, rng).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    pictures(root / "two", {"down": "down", "across": "across"})
    pictures(root / "one", {"down": "down"})
    pictures(root / "out", {"dots": "dots"})
    return root


@pytest.fixture(scope="module")
def story(places: Path) -> Run:
    """Two classes and an out folder, trained with CEDA."""
    return openset.train(places / "two", out=places / "out", scheme="ceda", epochs=8, output=places / "run", **QUICK)


def test_a_run_knows_its_pictures_its_accuracy_and_its_quiet(story: Run) -> None:
    run = story
    assert run.labels == ("across", "down")
    accuracy = run.facts["test_accuracy"]
    assert accuracy["value"] >= 0.9
    assert accuracy["n"] == 12
    assert accuracy["interval"][0] < accuracy["value"] <= accuracy["interval"][1]
    assert run.facts["pictures"]["train"] == {"across": 28, "down": 28}
    assert run.facts["out_pictures"] == {"train": 28, "val": 6, "test": 6}
    assert [record["epoch"] for record in run.history] == list(range(1, len(run.history) + 1))
    assert run.facts["test_mmc_out"] < run.facts["test_mmc_in"]
    assert run.history[-1]["mmc_noise"] < 0.7  # quiet on noise: 1/K is .5

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    for name in ("loss_in", "val_loss", "mmc_noise"):  # what TensorBoard itself reads
        seen = [(event.step, event.value) for event in events.Scalars(name)]
        assert seen == [(record["epoch"], pytest.approx(record[name])) for record in run.history]
    again = Run.load(run.folder)
    assert all(torch.equal(a, b) for a, b in zip(run.model.parameters(), again.model.parameters(), strict=True))
    assert not again.model.training
    assert json.loads((run.folder / "run.json").read_text())["finished"] is True


def test_training_stops_where_the_validation_loss_grows_and_keeps_the_best_weights(tmp_path: Path) -> None:
    """Two classes that differ in nothing can only be learnt by heart."""
    data = pictures(tmp_path / "data", {"a": "dots", "b": "dots"})
    run = openset.train(data, scheme="plain", epochs=60, patience=2, lr=0.01, output=tmp_path / "run", **QUICK)
    losses = [record["val_loss"] for record in run.history]
    best = losses.index(min(losses))
    assert len(losses) == best + 1 + 2 < 60
    tensors, note = read_tensors(run.folder / BEST)
    assert note["epoch"] == best + 1
    for name, parameter in run.model.named_parameters():
        assert torch.equal(parameter, tensors[f"net.{name}"])


def test_the_exported_judge_decides_as_the_model(story: Run, places: Path, tmp_path: Path) -> None:
    run = story
    judge = run.export(tmp_path / "judge.onnx", precision=0.6, delta=0.2)
    assert judge.labels == run.labels
    assert judge.info.facts["scheme"] == "ceda"
    assert set(judge.info.thresholds) | set(judge.info.facts["no_threshold"]) == set(run.labels)
    assert judge.info.thresholds
    decision = judge(places / "two" / "down" / "3.png")
    assert decision.best == "down"
    pixels = stack([np.rint(openset_pixels(places / "two" / "down" / "3.png", run) * 255).astype(np.uint8)])
    with torch.no_grad():
        expected = run.model(pixels).softmax(1)[0]
    assert decision.probabilities["down"] == pytest.approx(expected[1].item(), abs=0.02)  # pixels rounded to 8 bits


def openset_pixels(path: Path, run: Run) -> np.ndarray:
    from openset import images

    return images.resize(images.load(path), run.model.preprocess)


def test_too_few_pictures_for_the_guarantee_give_no_threshold_and_say_why(story: Run) -> None:
    info = story.info(precision=0.99, delta=0.01)
    assert info.thresholds == {}
    assert set(info.facts["no_threshold"]) == {"across", "down"}
    assert all("picture" in why for why in info.facts["no_threshold"].values())


def test_a_runs_thresholds_hold_for_shares_of_one_field(story: Run) -> None:
    shares = {"across": 0.3, "down": 0.4}
    info = story.info(precision=0.6, delta=0.2, prevalence=shares)
    assert info.thresholds
    assert all(t.prevalence == shares[label] for label, t in info.thresholds.items())
    with pytest.raises(DataError, match=r"^the prevalences add up to 1\.1 for the 2 labels across, down"):
        story.info(prevalence={"across": 0.7, "down": 0.4})
    with pytest.raises(DataError, match="missing: down; not known: up"):
        story.info(prevalence={"across": 0.7, "up": 0.1})


@pytest.mark.parametrize("scheme", ["plain", "acet", "oe"])
def test_one_class_and_out_folders_is_a_normal_case(places: Path, tmp_path: Path, scheme: Any) -> None:
    run = openset.train(
        places / "one", out=[places / "out"], scheme=scheme, epochs=2, attack_steps=1, output=tmp_path / "run", **QUICK
    )
    assert run.labels == ("down", "other")
    counts = run.facts["pictures"]["train"]
    assert counts["down"] == 28
    assert counts["other"] == 28
    assert run.facts["out_pictures"]["train"] == (200 if scheme == "oe" else 0)  # drawn
    assert ("loss_out" in run.history[0]) == (scheme != "plain")


def test_without_out_folders_the_default_draws_pictures_of_no_class_and_says_so(places: Path, tmp_path: Path) -> None:
    run = openset.train(places / "two", epochs=6, output=tmp_path / "run", **QUICK)
    assert run.facts["scheme"] == "oe"
    assert run.facts["out_pictures"] == {"train": 200, "val": 100, "test": 0}  # none where thresholds are fitted
    assert any(note.startswith("200 pictures of no class were drawn") for note in run.facts["notes"])
    plain = openset.train(places / "two", scheme="plain", epochs=6, output=tmp_path / "plain", **QUICK)
    strange = torch.from_numpy(np.stack(drawn_outside(run, 60)))
    quiet, loud = (r.model(strange).softmax(1).amax(1).mean() for r in (run, plain))
    assert quiet < loud - 0.1
    assert not any("drawn" in note for note in plain.facts["notes"])


def drawn_outside(run: Run, n: int) -> list[np.ndarray]:
    """Pictures drawn by another seed, as the run's judge sees them."""
    return [resize(picture, run.model.preprocess) for _, _, picture in outliers.drawn(n, size=32, gray=False, seed=9)]


@pytest.mark.parametrize("gray", [True, False])
def test_drawn_pictures_have_colour_where_the_classes_have(gray: bool) -> None:
    rng = np.random.default_rng(0)
    inside = [
        rng.integers(0, 256, (1 if gray else 3, 24, 24), np.uint8).repeat(3 if gray else 1, 0) for _ in range(230)
    ]
    split = Split(inside, np.arange(230) % 2)
    told: list[tuple[str, int, int]] = []
    material = Material(("a", "b"), Preprocess(mode="stretch", size=24), split, split, split)
    got, said = with_drawn(material, seed=3, tell=lambda *at: told.append(at))
    assert (len(got.out), len(got.out_val), len(got.out_test)) == (230, 100, 0)
    assert all(picture.shape == (3, 24, 24) and picture.dtype == np.uint8 for picture in (*got.out, *got.out_val))
    assert all((np.ptp(picture, 0) == 0).all() for picture in got.out) == gray
    assert told[-1][1:] == (230, 230)
    assert said.startswith("230 pictures")
    assert not any(np.array_equal(a, b) for a in got.out_val for b in got.out), "those that are watched are others"
    again, _ = with_drawn(material, seed=3, tell=lambda *_: None)
    assert all(np.array_equal(a, b) for a, b in zip(got.out, again.out, strict=True))


def test_the_same_seed_gives_the_same_bytes_whatever_the_memory_and_another_seed_does_not(
    places: Path, tmp_path: Path
) -> None:
    notes = {}
    for name, seed, memory in (("a", 0, 10**9), ("b", 0, 2000), ("c", 1, 10**9)):
        run = openset.train(
            places / "two",
            scheme="acet",
            attack_steps=1,
            epochs=1,
            seed=seed,
            memory=memory,
            output=tmp_path / name,
            **QUICK,
        )
        notes[name] = " ".join(run.facts["notes"])
    a, b, c = ((tmp_path / name / "best.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c
    assert "found no room" not in notes["a"]
    assert "78 of 80 pictures found no room" in notes["b"]  # 16 * 16 * 3 = 768 bytes each: two fit


def test_unreadable_pictures_are_left_out_aloud(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data", {"a": "down", "b": "across"}, n=12)
    (data / "a" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not a picture")
    run = openset.train(data, epochs=1, output=tmp_path / "run", **QUICK)
    assert sum(run.facts["pictures"][side]["a"] for side in ("train", "val", "test")) == 12
    assert any("broken.png" in note for note in run.facts["notes"])


def spoil(folder: Path, n: int = 12) -> Path:
    folder.mkdir(parents=True)
    for i in range(n):
        (folder / f"{i}.png").write_bytes(b"\x89PNG\r\n\x1a\n not a picture")
    return folder


@pytest.mark.parametrize("scheme", ["plain", "ceda", "oe"])
def test_an_out_folder_of_which_nothing_can_be_used_is_an_error(places: Path, tmp_path: Path, scheme: Any) -> None:
    """It would train as if the folder had not been given, outlier exposure as `plain`."""
    (tmp_path / "small").mkdir()
    for i in range(12):
        draw("dots", np.random.default_rng(i)).resize((6, 6)).save(tmp_path / "small" / f"{i}.png")
    folders = {"bad": spoil(tmp_path / "bad"), "small": tmp_path / "small"}
    folders["copied"] = shutil.copytree(places / "two" / "down", tmp_path / "copied")
    for name, folder in folders.items():
        for out in ([folder], [places / "out", folder]):
            said = f"no picture of the out folder '.*{name}' can be used: run `openset check`"
            with pytest.raises(TrainingError, match=said):
                openset.train(places / "two", out=out, scheme=scheme, epochs=1, output=tmp_path / "run", **QUICK)
            assert not (tmp_path / "run").exists()


def test_outlier_exposure_without_a_picture_to_train_on_is_an_error(places: Path, tmp_path: Path) -> None:
    out = shutil.copytree(places / "out", tmp_path / "out")
    listing = list_pictures(str(places / "two"), [str(out)], scheme="oe", seed=0, tell=lambda *_: None)
    for entry in listing.entries:
        if (entry.label, entry.side) == (-1, "train"):
            Image.open(entry.path).resize((6, 6)).save(entry.path)
    given: dict[str, Any] = {"out": out, "epochs": 1} | QUICK
    with pytest.raises(TrainingError, match=r"no readable out-picture left to train on: run `openset check`"):
        openset.train(places / "two", scheme="oe", output=tmp_path / "run", **given)
    run = openset.train(
        places / "two", scheme="plain", output=tmp_path / "plain", **given
    )  # it measures on those that are left
    assert run.facts["out_pictures"] == {"train": 0, "val": 6, "test": 6}


@pytest.mark.parametrize("side", ["train", "val"])
def test_a_class_whose_pictures_are_all_left_out_is_an_error(tmp_path: Path, side: str) -> None:
    """A split that is given is not read before it is decoded."""
    for part in ("train", "val", "test"):
        pictures(tmp_path / "data" / part, {"a": "down", "b": "across"}, n=6)
    shutil.rmtree(tmp_path / "data" / side / "b")
    spoil(tmp_path / "data" / side / "b", n=6)
    what = {"train": "train on", "val": "validate with"}[side]
    with pytest.raises(DataError, match=f"class 'b' has no readable picture left to {what}: run `openset check`"):
        openset.train(tmp_path / "data", epochs=1, output=tmp_path / "run", **QUICK)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", [False, True], ids=["split by the seed", "split given"])
def test_an_out_picture_that_copies_one_of_a_class_is_left_out_aloud(tmp_path: Path, given: bool) -> None:
    data, out = tmp_path / "data", fill(tmp_path, out=12) / "out"
    for part in ("train", "val", "test") if given else ("",):
        fill(data / part, cat=12)
    for i, path in enumerate(sorted(data.rglob("*.png"))[:8]):
        if i % 2:
            shutil.copy(path, out / f"copy {i}.png")
        else:
            Image.open(path).resize((64, 64)).save(out / f"copy {i}.jpg", quality=85)
    told = [0]
    listing = list_pictures(
        str(data), [str(out)], scheme="plain", seed=0, tell=lambda _what, done, total: told.append(done / total)
    )
    assert listing.labels == ("cat", "other")
    assert sorted(Path(e.path).name for e in listing.entries if e.label == 1) == [f"{i:03}.png" for i in range(12)]
    assert sum(e.label == 0 for e in listing.entries) == (36 if given else 12)
    (note,) = (note for note in listing.notes if "cop" in note)
    assert note.startswith("8 copied from pictures of a class left out of the out folders: ")
    assert told[-1] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names of any bytes")
def test_names_that_are_no_text_are_trained_on_and_kept(places: Path, tmp_path: Path) -> None:
    data, out = (tmp_path / os.fsdecode(name) for name in (b"two\xff", b"o\xfft\n"))
    shutil.copytree(places / "two", data)
    shutil.copytree(places / "out", out)
    (out / os.fsdecode(b"bad\xfe\n.jpg")).write_bytes(b"not a picture")
    run = openset.train(data, out=out, epochs=1, output=tmp_path / "run ü", **QUICK)
    assert any(r"bad\udcfe\n.jpg" in note for note in run.facts["notes"])
    kept = json.loads((tmp_path / "run ü" / "run.json").read_text(encoding="utf-8"))["data"]
    assert (os.fsencode(kept["folder"]), *map(os.fsencode, kept["out"])) == (os.fsencode(data), os.fsencode(out))
    assert run.export(tmp_path / "judge.onnx").labels == ("across", "down")
    with pytest.raises(TrainingError, match=r"name is not valid UTF-8. Choose another with --output"):
        openset.train(places / "two", output=tmp_path / os.fsdecode(b"run\xff"), **QUICK)


def test_a_slip_in_the_command_is_told_before_any_picture_is_read(places: Path, tmp_path: Path) -> None:
    (tmp_path / "one" / "a").mkdir(parents=True)
    (tmp_path / "one" / "a" / "broken.png").write_bytes(
        b"\x89PNG\r\n\x1a\n not a picture"
    )  # read first, it would be told
    with pytest.raises(DataError, match="missing' is not there: check --out"):
        openset.train(tmp_path / "one", out=[places / "out", tmp_path / "missing"], **QUICK)
    with pytest.raises(TrainingError, match="one class, 'a', and no out folder was given"):
        openset.train(tmp_path / "one", **QUICK)
    (tmp_path / "file").write_text("in the way")
    for output in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(TrainingError, match=r"cannot be made: '.*file' is a file. Choose another with --output"):
            openset.train(tmp_path / "one", out=places / "out", output=output, **QUICK)


def test_a_net_made_for_one_size_is_made_for_the_size_asked_for(places: Path, tmp_path: Path) -> None:
    run = openset.train(places / "two", epochs=1, output=tmp_path / "run", **(QUICK | {"net": VIT, "size": 32}))
    again = Run.load(run.folder)
    assert again.model.preprocess.size == again.model.body.patch_embed.img_size[0] == 32
    judge = again.export(tmp_path / "judge.onnx", precision=0.5, delta=0.5)
    assert judge(places / "two" / "down" / "3.png").best in ("down", "across")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"net": VIT, "size": 40}, r"'timm:test_vit.r160_in1k' cannot judge 2 pictures of size 40 .*another --size"),
        ({"net": "xcit_nano_12_p8_224", "size": 30}, "cannot build 'xcit_.*' for pictures of size 30 .*another --size"),
        ({"net": RESNET, "batch_size": 1}, r"cannot learn from 1 picture of size 16 .*another --batch-size"),
        ({"net": RESNET, "batch_size": 2, "data": "odd"}, r"cannot learn from 1 picture of size 16"),  # 23 in twos
    ],
)
def test_a_net_that_cannot_take_the_pictures_is_said_before_it_trains(
    tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    for part, n in (("train", 12), ("val", 2), ("test", 2)):
        pictures(tmp_path / "even" / part, {"a": "down", "b": "across"}, n=n)
        pictures(tmp_path / "odd" / part, {"a": "down", "b": "across"}, n=n)
    (tmp_path / "odd" / "train" / "b" / "0.png").write_bytes(b"not a picture")
    folder = tmp_path / given.get("data", "even")
    with pytest.raises(TrainingError, match=said):
        openset.train(
            **(QUICK | {"scheme": "plain", "epochs": 1, "output": tmp_path / "run"} | given | {"data": folder})
        )
    assert not (tmp_path / "run").exists()


def test_a_batch_of_one_learns_where_out_pictures_go_through_the_net_beside_it(tmp_path: Path) -> None:
    few = pictures(tmp_path / "few", {"a": "down", "b": "across"}, n=3)
    given = QUICK | {"net": RESNET, "batch_size": 1, "epochs": 1}
    assert openset.train(few, scheme="ceda", output=tmp_path / "run", **given).facts["epochs"] == 1


def test_what_is_passed_over_in_an_out_folder_is_noted(places: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for file in (places / "out" / "dots").iterdir():
        (tmp_path / "out" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "out" / "scan.jp2").write_bytes(b"a kind not read here")
    run = openset.train(places / "two", out=tmp_path / "out", epochs=1, output=tmp_path / "run", **QUICK)
    assert [note.partition(" passed over: ")[2] for note in run.facts["notes"] if str(tmp_path / "out") in note] == [
        "1 not pictures by their names (.jp2)."
    ]


def test_errors_a_newcomer_makes_say_what_to_do(places: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    two, one = places / "two", places / "one"
    cases: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (TrainingError, "one class, 'down', and no out folder was given", {"data": one}),
        (
            TrainingError,
            "scheme='acett' cannot be: it must be one of plain, ceda, acet, acet-mended, oe",
            {"data": two, "scheme": "acett"},
        ),
        (TrainingError, "epochs=0 cannot be", {"data": two, "epochs": 0}),
        (TrainingError, "threads=-2 cannot be: it must be at least 1", {"data": two, "threads": -2}),
        (TrainingError, r"eps=8 cannot be: it must be in \[0, 1\]", {"data": two, "eps": 8}),
        (TrainingError, "device='tpu' cannot be: it must be cpu", {"data": two, "device": "tpu"}),
        (TrainingError, "device='cuda:99' cannot be", {"data": two, "device": "cuda:99"}),
        (TrainingError, "size=64 cannot be for 'lenet'", {"data": two, "net": "lenet", "size": 64}),
        (TrainingError, "no net called 'docent'", {"data": two, "net": "docent"}),
        (
            TrainingError,
            "no net called 'docent'",
            {"data": tmp_path / "missing", "net": "docent"},
        ),  # before any reading
        (TrainingError, "no pretrained weights", {"data": tmp_path / "missing", "pretrained": True}),
        (DataError, "empty", {"data": tmp_path / "empty"}),
        (DataError, "missing", {"data": tmp_path / "missing"}),
        (DataError, "is not there", {"data": two, "out": tmp_path / "missing"}),
        (DataError, "holds no pictures", {"data": two, "out": tmp_path / "empty"}),
    ]
    for kind, text, given in cases:
        with pytest.raises(kind, match=text):
            openset.train(**({"output": tmp_path / "run"} | QUICK | given))
        assert not (tmp_path / "run").exists()


def test_a_folder_in_use_and_another_start_are_refused(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data", {"a": "down", "b": "across"}, n=10)
    given: dict[str, Any] = {"data": data, "epochs": 1, "output": tmp_path / "run"} | QUICK
    first = openset.train(**given)
    with pytest.raises(TrainingError, match=r"already holds a run: go on with it by --resume"):
        openset.train(**given)
    with pytest.raises(TrainingError, match="epochs was 1 and is now 2"):
        openset.train(**(given | {"epochs": 2, "resume": True}))
    assert openset.train(**given, resume=True).history == first.history

    state = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps(state | {"finished": False}))
    (data / "a" / "0.png").unlink()
    with pytest.raises(TrainingError, match="no longer those that the run"):
        openset.train(**given, resume=True)
    (tmp_path / "run" / "run.json").write_text(json.dumps(state | {"version": 99}))
    with pytest.raises(TrainingError, match="upgrade openset"):
        Run.load(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(TrainingError, match=r"run.json' is not what train wrote .*: get it back from a copy, or train"):
        Run.load(tmp_path / "run")
    for place in (tmp_path, tmp_path / "missing", data / "a" / "1.png"):
        with pytest.raises(TrainingError, match=r"holds no run .*: give the folder that train wrote"):
            Run.load(place)


def test_an_unfinished_run_cannot_be_exported(story: Run, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not finished"):
        replace(story, folder=tmp_path).export(tmp_path / "judge.onnx")
    killed = tmp_path / "killed"  # after the held-out logits, before the facts
    shutil.copytree(story.folder, killed)
    content = json.loads((killed / "run.json").read_text())
    (killed / "run.json").write_text(json.dumps(content | {"facts": {}, "finished": False}))
    with pytest.raises(TrainingError, match="not finished"):
        Run.load(killed).export(tmp_path / "judge.onnx")
    assert not (tmp_path / "judge.onnx").exists()


def test_a_rate_that_diverges_is_said(places: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"training diverged.*lower lr"):
        openset.train(places / "two", epochs=3, lr=1e18, optimiser="sgd", output=tmp_path / "run", **QUICK)


def test_a_last_step_that_diverges_gives_no_judge(places: Path, tmp_path: Path) -> None:
    """One step: its loss is that of the weights before it, and only the validation sees what it did to them."""
    given: dict[str, Any] = {"batch_size": 1000, "epochs": 1, "lr": float("inf"), "output": tmp_path / "run"}
    with pytest.raises(TrainingError, match=r"the validation loss is nan after epoch 1: training diverged.*lower lr"):
        openset.train(places / "two", **(QUICK | given))
    with pytest.raises(TrainingError, match="no epoch of the run"):
        Run.load(tmp_path / "run")


def test_the_split_keeps_out_pictures_of_every_side_and_does_not_depend_on_where_the_folder_lies(places: Path) -> None:
    def listed(seed: int) -> Any:
        return list_pictures(str(places / "two"), [str(places / "out")], scheme="ceda", seed=seed, tell=lambda *_: None)

    first = listed(0)
    assert first.fingerprint == listed(0).fingerprint != listed(1).fingerprint
    sides = [e.side for e in first.entries if e.label == -1]
    assert {side: sides.count(side) for side in ("train", "val", "test")} == {"train": 28, "val": 6, "test": 6}
    assert not {e.path for e in first.entries if e.side == "train"} & {
        e.path for e in first.entries if e.side != "train"
    }


# --- the loop's parts, on arrays


def config(**given: Any) -> Config:
    base = {"scheme": "acet", "epochs": 10, "batch_size": 8, "lr": 1.0, "optimiser": "sgd", "weight_decay": 0.0}
    base |= {"out_weight": 1.0, "eps": 0.3, "attack_steps": 3, "patience": 5, "augment": "none", "seed": 0}
    return Config(**(base | given))


def test_schedules_are_the_papers_and_acets_warm_start() -> None:
    assert [round(learning_rate(config(), t), 6) for t in (0, 0.49, 0.5, 0.75, 0.9)] == [1, 1, 0.1, 0.01, 0.001]
    rates = [learning_rate(config(optimiser="adamw"), t) for t in np.linspace(0, 0.999, 200)]
    assert rates[0] < 0.05
    assert max(rates) > 0.98
    assert rates[-1] < 1e-4
    np.testing.assert_allclose(
        [eps_at(config(), e) for e in range(10)], [0, 0, 0.075, 0.15, 0.225, 0.3, 0.3, 0.3, 0.3, 0.3]
    )
    for epochs in range(1, 40):  # however short, a run ends at the whole eps
        assert eps_at(config(epochs=epochs), epochs - 1) == 0.3
    assert eps_at(config(scheme="ceda"), 9) == 0


def test_default_length_is_about_three_thousand_steps() -> None:
    assert with_length(config(batch_size=64), None, None, 3_200).epochs == 60  # 50 steps each
    assert with_length(config(batch_size=64), None, None, 10).epochs == 150
    assert with_length(config(batch_size=64), None, None, 10**6).epochs == 15
    assert with_length(config(), 7, 3, 10).patience == 3


def test_out_batches_come_from_where_the_scheme_says() -> None:
    net, x = build("resnet-small", 3), torch.rand((6, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    pictures_3, pictures_6 = torch.zeros(3, 3, 16, 16), torch.zeros(6, 3, 16, 16)
    assert out_batch(net, x, None, config(scheme="plain"), 9, 0) == (None, None)
    assert out_batch(net, x, pictures_6, config(scheme="oe"), 9, 0)[0] is pictures_6
    ceda, _ = out_batch(net, x, None, config(scheme="ceda"), 9, 4)
    cpu = torch.device("cpu")
    assert torch.equal(ceda, paper_noise(x, generator(cpu, 0, 9, 4, "noise")))
    mixed, _ = out_batch(net, x, pictures_3, config(scheme="ceda"), 9, 4)
    assert mixed.shape == x.shape
    assert torch.equal(mixed[3:], pictures_3)
    warm, full = (out_batch(net, x, None, config(), epoch, 4)[0] for epoch in (0, 9))
    assert torch.equal(warm, paper_noise(x, generator(cpu, 0, 0, 4, "noise")))  # ACET begins as CEDA
    distance = (full - paper_noise(x, generator(cpu, 0, 9, 4, "noise"))).abs().amax((1, 2, 3))
    assert distance.max() <= 0.3 + 1e-6
    assert distance.max() > 0.05


def test_mended_out_batches_are_an_eighth_new_and_grow_to_half_of_the_batch() -> None:
    net, x = build("resnet-small", 3), torch.rand((16, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    cpu, chains, sizes = torch.device("cpu"), None, []
    for step in range(6):
        found, chains = out_batch(net, x, None, config(scheme="acet-mended"), 9, step, chains)
        sizes.append(len(found))
        new = paper_noise(x[:2], generator(cpu, 0, 9, step, "noise"), 0.25)
        assert (found[-2:] - new).abs().max() <= 0.3 + 1e-6
        assert len(chains.z) == min(len(found), 6)
    assert sizes == [2, 4, 6, 8, 8, 8]
    given, _ = out_batch(net, x[:6], torch.zeros(3, 3, 16, 16), config(scheme="acet-mended", eps=0.0), 9, 4)
    assert torch.equal(given[1:], torch.zeros(1, 3, 16, 16))  # a small batch takes one of each
    wide = torch.rand((16, 3, 16, 24), generator=torch.Generator().manual_seed(1))
    found, chains = out_batch(net, wide, None, config(scheme="acet-mended"), 9, 6, chains)
    assert found.shape == (8, 3, 16, 24)
    padded = (chains.z[:, :, :, 16:] == 1).flatten(1).all(1)  # pages of another size: chains are padded with white
    new = paper_noise(wide[:2], generator(cpu, 0, 9, 6, "noise"), 0.25)
    assert all(p or any(torch.equal(z, n) for n in new) for p, z in zip(padded, chains.z, strict=True))
    assert padded.sum() >= 4  # two of the six that go on may be new


@pytest.mark.parametrize("scheme", ["ceda", "acet", "acet-mended"])
def test_in_bfloat16_only_the_net_is_rounded(scheme: str) -> None:
    """What a GPU does, here on the CPU: noise and points are exact and stay in the ball, and the net learns from them."""
    torch.manual_seed(0)
    net, x, eps = build("lenet", 2), torch.rand((8, 3, 28, 28), generator=torch.Generator().manual_seed(0)), 0.004
    settings, given, inside = config(scheme=scheme, eps=eps), [], []
    net.register_forward_pre_hook(lambda _net, pixels: given.append(pixels[0].detach()))
    net.conv1.register_forward_hook(lambda _layer, _pixels, made: inside.append(made.dtype))
    cpu, y = torch.device("cpu"), torch.tensor([0, 1] * 4)
    with torch.autocast("cpu", torch.bfloat16):  # not even where the caller has it
        _step(Halved(net), make_optimiser(net, settings), (x, y, None), settings, cpu, (9, 4, 10))
    assert set(inside) == {torch.bfloat16}
    assert {pixels.dtype for pixels in given} == {torch.float32}
    mended = scheme == "acet-mended"
    z = paper_noise(x[:1] if mended else x, generator(cpu, 0, 9, 4, "noise"), 0.25 if mended else 0.5)
    points, reach = given[-1][8:], {"ceda": 0, "acet": eps, "acet-mended": eps}[scheme]
    assert (points - z).abs().max().item() == pytest.approx(reach, abs=1e-6)
    assert all(p.grad is not None and bool(p.grad.abs().max() > 0) for p in net.parameters())


def test_seeds_depend_on_every_counter_and_on_nothing_else() -> None:
    seeds = {seed_of(*key) for key in [(0, 1, 2), (0, 12), (1, 2), (2, 1), (0, 1, 2, "noise"), (0, 1, "2")]}
    assert len(seeds) == 5  # (0, 1, 2) and (0, 1, "2") read the same
    assert all(0 <= s < 2**63 for s in seeds)


def test_stack_and_join_pad_with_white_at_the_right_and_bottom() -> None:
    batch = stack([np.zeros((3, 4, 6), np.uint8), np.full((3, 5, 2), 51, np.uint8)])
    assert batch.shape == (2, 3, 5, 6)
    assert batch[0, :, :4].max() == 0
    assert batch[0, :, 4:].min() == 1
    assert torch.equal(batch[1, :, :, :2], torch.full((3, 5, 2), 0.2))
    assert batch[1, :, :, 2:].min() == 1
    assert join(batch, torch.zeros(1, 3, 9, 1)).shape == (3, 3, 9, 6)


def test_the_papers_crops_fill_black_and_mirror_every_second_picture() -> None:
    photo = np.arange(1, 1 + 3 * 32 * 32, dtype=np.int64).reshape(3, 32, 32).astype(np.uint8) | 1  # nowhere black
    mirrored, seen = 0, set()
    for seed in range(200):
        cropped = augmented(photo, "crop", "stretch", numpy_generator(seed))
        dy = int((cropped[0] != 0).any(1).argmax()) - int((cropped[0, ::-1] != 0).any(1).argmax())
        dx = int((cropped[0] != 0).any(0).argmax()) - int((cropped[0, :, ::-1] != 0).any(0).argmax())
        seen.add((dy, dx))
        want = np.zeros_like(photo)
        rows, cols = (slice(max(0, d), 32 + min(0, d)) for d in (dy, dx))
        want[:, rows, cols] = photo[:, max(0, -dy) : 32 - max(0, dy), max(0, -dx) : 32 - max(0, dx)]
        np.testing.assert_array_equal(cropped, want)
        both = augmented(photo, "crop-flip", "stretch", numpy_generator(seed))
        same = np.array_equal(both, cropped)
        assert same or np.array_equal(both, cropped[:, :, ::-1])
        mirrored += not same
    assert 70 < mirrored < 130
    assert {d for d, _ in seen} == {d for _, d in seen} == set(range(-4, 5))


def test_a_run_takes_every_augmentation_there_is(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data", {"a": "down", "b": "across"}, n=10)
    weights = set()
    for how in get_args(Augment):
        run = openset.train(data, augment=how, epochs=1, output=tmp_path / how, **QUICK)
        assert run.config["augment"] == how
        weights.add((run.folder / "best.safetensors").read_bytes())
    assert len(weights) == 5
    with pytest.raises(
        TrainingError, match="augment='crops' cannot be: it must be one of none, light, flip, crop, crop-"
    ):
        openset.train(data, augment="crops", output=tmp_path / "run", **QUICK)  # type: ignore[arg-type]


def test_augmentation_keeps_shape_white_paper_and_moves_within_its_reach() -> None:
    page = np.full((3, 32, 48), 255, np.uint8)
    page[:, 10:20, 20:30] = 0
    for i in range(50):
        rng = numpy_generator(i)
        moved = augmented(page, "light", "fit", rng)
        assert moved.shape == page.shape
        assert moved.max() == 255
        rows, cols = np.nonzero(moved[0] < 255)
        assert (np.ptp(rows), np.ptp(cols)) == (9, 9)
        assert abs(rows.min() - 10) <= 2
        assert abs(cols.min() - 20) <= 3
    photo = np.random.default_rng(0).integers(0, 256, (3, 32, 32)).astype(np.uint8)
    assert augmented(photo, "none", "stretch", numpy_generator(0)) is photo
    assert any(
        np.array_equal(
            augmented(photo, "flip", "stretch", numpy_generator(i))[..., ::-1],
            augmented(photo, "light", "stretch", numpy_generator(i)),
        )
        for i in range(10)
    )


def test_pictures_are_read_in_order_once_and_kept_while_there_is_room() -> None:
    seen: list[str] = []

    def read(path: str) -> np.ndarray | Exception:
        seen.append(path)
        return OSError(path) if path == "7" else np.zeros((3, 2, int(path) + 1), np.uint8)

    budget = Budget(60)
    kept, failed = decode_all([str(i) for i in range(10)], read, budget, 3, lambda: None)
    assert sorted(seen) == [str(i) for i in range(10)]
    assert list(failed) == [7]
    assert list(kept) == [0, 1, 2, 3]  # 6 + 12 + 18 + 24 bytes
    assert (budget.left, budget.refused) == (0, 5)


def test_prefetching_keeps_order_and_passes_errors_on() -> None:
    assert list(prefetched(lambda i: i * i, range(3, 8))) == [9, 16, 25, 36, 49]
    assert list(prefetched(lambda i: i, range(5, 5))) == []

    def work(i: int) -> float:
        return math.sqrt(2 - i)

    results = prefetched(work, range(6))
    assert next(results) == math.sqrt(2)
    with pytest.raises(ValueError, match=r"math domain error|nonnegative"):
        list(results)
