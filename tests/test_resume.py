"""A run killed by SIGKILL at random moments and resumed ends in the same bytes as one that was never killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from openset._loop import fit
from openset._schedule import Config, State, reproducible
from openset.errors import TrainingError
from openset.loader import Material, Split
from openset.nets import build
from openset.runfile import disk_errors, read_tensors, write_atomic, write_tensors

CPU = torch.device("cpu")

# One process imports torch once and forks a child for every attempt; the children are killed without warning.
KILLER = """
import json, os, random, shutil, signal, sys, time
import torch
import torch.utils.tensorboard
from openset import training
torch.set_num_threads(1)
data, out, root = sys.argv[1:4]

def start(folder):
    pid = os.fork()
    if pid == 0:
        try:
            training.train(data, out=out, scheme="acet", net="resnet-small", size=8, epochs=4, batch_size=8, patience=9,
                           optimiser="adamw", output=folder, resume=True, save_seconds=0, progress=False, threads=1)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid

begin = time.monotonic()
status = os.waitpid(start(root + "/whole"), 0)[1]
length = time.monotonic() - begin
killed, partly, exits, moments = 0, 0, [status], random.Random(1)
for _ in range(30):
    pid = start(root + "/killed")
    limit = moments.uniform(0.1, 0.9) * length if killed < 5 else 1e9
    begin, done = time.monotonic(), 0
    while not done and time.monotonic() - begin <= limit:
        done, status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.005)
    if not done:
        os.kill(pid, 9)
        status = os.waitpid(pid, 0)[1]
        killed += os.WIFSIGNALED(status) and os.WTERMSIG(status) == 9
        partly += os.path.exists(root + "/killed/state.safetensors")
    elif status == 0 and not (killed >= 2 and partly):  # faster than the whole run was: too few kills, so once more
        length = time.monotonic() - begin
        killed, partly = 0, 0
        shutil.rmtree(root + "/killed")
    else:
        exits.append(status)
        break
print(json.dumps({"killed": killed, "partly": partly, "exits": exits}))
"""


def write_pictures(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for kind, level in (("in/dark", 60), ("in/light", 190), ("out", 128)):
        (folder / kind).mkdir(parents=True)
        for i in range(12):
            pixels = np.clip(rng.normal(level, 40, (8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).resize((16, 16)).save(folder / kind / f"{i}.png")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kill_9_at_random_moments_then_resume_gives_the_same_bytes(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(tmp_path / "in"), str(tmp_path / "out"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["exits"] == [0, 0], done.stderr
    assert told["killed"] >= 2
    assert told["partly"] >= 1  # not only before the first state was there
    for name in ("state.safetensors", "best.safetensors", "held-out.safetensors"):
        whole, killed = ((tmp_path / run / name).read_bytes() for run in ("whole", "killed"))
        assert whole == killed, name
    histories = [json.loads((tmp_path / run / "run.json").read_text())["history"] for run in ("whole", "killed")]
    assert histories[0] == histories[1]
    assert len(histories[0]) == 4


def material(n: int = 24) -> Material:
    rng = np.random.default_rng(3)
    targets = np.arange(n, dtype=np.int64) % 2
    arrays = [np.clip(rng.normal(60 + 130 * k, 40, (3, 8, 8)), 0, 255).astype(np.uint8) for k in targets]
    split = Split(arrays, targets)
    net = build("resnet-small", 2)
    return Material(("dark", "light"), net.preprocess, split, split, split)


def config(scheme: str = "ceda", epochs: int = 2) -> Config:
    return Config(scheme, epochs, 6, 0.01, "sgd", 5e-4, 1.0, 0.1, 2, 9, "light", 0)  # type: ignore[arg-type]


def trained(folder: Path, interrupt_at: tuple[int, int] | None = None, scheme: str = "ceda") -> State:
    torch.manual_seed(0)
    net = build("resnet-small", 2)

    def on_step(epoch: int, step: int, _steps: int, _loss: float) -> None:
        if (epoch, step) == interrupt_at:
            signal.raise_signal(signal.SIGINT)

    with reproducible(CPU, 1):
        return fit(net, material(), config(scheme), folder, device=CPU, on_step=on_step)


@pytest.mark.parametrize(
    ("moment", "scheme"), [((0, 1), "ceda"), ((0, 4), "ceda"), ((1, 2), "ceda"), ((1, 2), "acet-mended")]
)
def test_ctrl_c_saves_within_the_epoch_and_the_run_goes_on_to_the_same_bytes(
    tmp_path: Path, moment: tuple[int, int], scheme: str
) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=f"epoch {moment[0] + 1} after step {moment[1]} of 4"):
        trained(tmp_path / "stopped", moment, scheme)
    assert signal.getsignal(signal.SIGINT) is before
    note = read_tensors(tmp_path / "stopped" / "state.safetensors")[1]
    assert (note["epoch"], note["step"]) == moment
    assert trained(tmp_path / "stopped", None, scheme) == trained(tmp_path / "whole", None, scheme)
    for name in ("state.safetensors", "best.safetensors"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_state_is_left_alone(tmp_path: Path) -> None:
    state = trained(tmp_path)
    before = (tmp_path / "state.safetensors").stat().st_mtime_ns
    assert trained(tmp_path) == state
    assert (tmp_path / "state.safetensors").stat().st_mtime_ns == before


def test_a_full_disk_reads_well_and_leaves_the_old_file_whole(tmp_path: Path) -> None:
    with (
        pytest.raises(TrainingError, match=r"disk of the run folder '.*' is full: free some space"),
        disk_errors(tmp_path),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")


def test_a_write_that_fails_leaves_the_old_content_and_no_part(tmp_path: Path) -> None:
    target = tmp_path / "state"
    write_atomic(target, b"old")
    write_atomic(target, b"new")
    assert target.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["state"]
    with pytest.raises(TrainingError, match="cannot be written"):
        write_atomic(target / "below a file", b"x")
    assert target.read_bytes() == b"new"


def test_tensors_come_back_bit_for_bit_with_their_note(tmp_path: Path) -> None:
    tensors = {"b": torch.rand(3, 2).t(), "a": torch.tensor(float("nan")), "c": torch.tensor(2**40)}
    write_tensors(tmp_path / "x", tensors, {"loss": 0.1 + 0.2})
    back, note = read_tensors(tmp_path / "x")
    assert note == {"loss": 0.1 + 0.2}
    assert all(back[k].contiguous().numpy().tobytes() == v.contiguous().numpy().tobytes() for k, v in tensors.items())
    (tmp_path / "x").write_bytes(b"\x80\x04 not a state")
    with pytest.raises(TrainingError, match="not a state of an openset run"):
        read_tensors(tmp_path / "x")
