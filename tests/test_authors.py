"""The released nets: every array used once and turned the right way, and the paper's confidence on noise."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import correlate

from openset import authors
from openset.data.noise import paper_noise
from openset.errors import DataError

AUTHORS = Path(__file__).parents[2] / "shared" / "authors_checkpoints"
Arrays = dict[str, np.ndarray]


def drawn(classes: int = 7) -> Arrays:
    """Arrays as TensorFlow would name and lay them out, drawn at random."""
    rng = np.random.default_rng(0)
    arrays: Arrays = {authors.STEP: np.array(9, np.int32), "block_init|conv|weights": rng.normal(size=(3, 3, 3, 16))}
    arrays |= {"logit|fc|weights": rng.normal(size=(64, classes)), "logit|fc|biases": rng.normal(size=classes)}
    norms = {"unit_last": 64}
    inside = 16
    for group, wide in ((1, 16), (2, 32), (3, 64)):
        for place in range(3):
            name = f"block_{group}_{place}"
            norms |= {f"{name}|{'residual_only' if place else 'shared'}_activation": inside, f"{name}|sub2": wide}
            arrays[f"{name}|sub1|conv1|weights"] = rng.normal(size=(3, 3, inside, wide)) / 10
            arrays[f"{name}|sub2|conv2|weights"] = rng.normal(size=(3, 3, wide, wide)) / 10
            inside = wide
    for name, n in norms.items():
        at = f"{name}|batch_normalization|"
        arrays |= {at + "gamma": rng.normal(size=n), at + "beta": rng.normal(size=n)}
        arrays |= {at + "moving_mean": rng.normal(size=n), at + "moving_variance": rng.uniform(0.5, 2, n)}
    return {name: np.asarray(a, a.dtype if a.dtype.kind == "i" else np.float32) for name, a in arrays.items()}


def same(x: np.ndarray, kernel: np.ndarray, stride: int = 1) -> np.ndarray:
    """TensorFlow's SAME convolution of x [H, W, in] with kernel [3, 3, in, out], even sides: pads right and bottom first."""
    high = 1 if stride == 1 else 0
    padded = np.pad(x, ((high, 1), (high, 1), (0, 0)))
    maps = [correlate(padded, kernel[..., k], "valid")[::stride, ::stride, 0] for k in range(kernel.shape[3])]
    return np.stack(maps, -1)


def by_hand(arrays: Arrays, x: np.ndarray) -> np.ndarray:
    """The net of the paper on x [32, 32, 3] in numpy, float64, written from its description."""
    a = {name: array.astype(np.float64) for name, array in arrays.items()}

    def active(h: np.ndarray, name: str) -> np.ndarray:
        gamma, beta, mean, var = (a[f"{name}|batch_normalization|{p}"] for p in authors.MOVING.values())
        return np.maximum((h - mean) / np.sqrt(var + 1e-5) * gamma + beta, 0)

    h = same(x, a["block_init|conv|weights"])
    for group in (1, 2, 3):
        for place in range(3):
            name, stride = f"block_{group}_{place}", 2 if group > 1 and place == 0 else 1
            first = active(h, f"{name}|{'residual_only' if place else 'shared'}_activation")
            short = h if place else first
            if stride == 2:
                short = short.reshape(len(h) // 2, 2, len(h) // 2, 2, -1).mean((1, 3))
            second = same(first, a[f"{name}|sub1|conv1|weights"], stride)
            extra = second.shape[2] - short.shape[2]
            short = np.pad(short, ((0, 0), (0, 0), (extra // 2, extra - extra // 2)))
            h = short + same(active(second, f"{name}|sub2"), a[f"{name}|sub2|conv2|weights"])
    return active(h, "unit_last").mean((0, 1)) @ a["logit|fc|weights"] + a["logit|fc|biases"]


def test_the_converted_net_is_the_net_of_the_description_in_numpy() -> None:
    arrays, x = drawn(), np.random.default_rng(1).uniform(size=(32, 32, 3))
    with torch.no_grad():
        found = authors.convert(arrays).double()(torch.from_numpy(x).permute(2, 0, 1)[None])[0].numpy()
    np.testing.assert_allclose(found, by_hand(arrays, x), rtol=1e-4, atol=1e-4)


def test_every_array_is_used_once() -> None:
    used = list(authors.names().values())
    assert len(used) == len(set(used))
    assert set(used) | {authors.STEP} == set(drawn())


def without(name: str) -> Arrays:
    return {k: v for k, v in drawn().items() if k != name}


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (without("block_2_1|sub2|conv2|weights"), r"missing arrays: block_2_1\|sub2\|conv2\|weights"),
        (drawn() | {"conv1|bias": np.zeros(3, np.float32)}, r"unknown arrays: conv1\|bias"),
        (drawn() | {"logit|fc|weights": np.zeros((32, 7), np.float32)}, r"logit\|fc\|weights should give \[7, 64\]"),
        (drawn() | {"logit|fc|biases": np.full(7, np.nan, np.float32)}, "not finite"),
    ],
)
def test_a_file_of_other_arrays_is_refused_by_name(tmp_path: Path, arrays: Arrays, said: str) -> None:
    np.savez(tmp_path / "net.npz", **arrays)  # type: ignore[arg-type]  # numpy's types take the names for its options
    with pytest.raises(DataError, match=said) as caught:
        authors.load(tmp_path / "net.npz")
    assert "net.npz" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"not a zip", b"\x93NUMPY"])
def test_a_file_that_is_no_npz_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"net\.npz"):
        authors.load(tmp_path / "net.npz")
    with pytest.raises(DataError, match=r"nowhere\.npz"):
        authors.load(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("place", [300, 5_000, 60_000, -40])
def test_a_compressed_file_with_spoilt_bytes_is_refused_by_name(tmp_path: Path, place: int) -> None:
    np.savez_compressed(tmp_path / "net.npz", **drawn())  # type: ignore[arg-type]
    content = bytearray((tmp_path / "net.npz").read_bytes())
    content[place : place + 20 or None] = b"\xff" * 20
    (tmp_path / "net.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"net\.npz"):
        authors.load(tmp_path / "net.npz")


def test_a_pickle_in_a_file_is_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    arrays = drawn() | {"logit|fc|biases": np.array([Bomb()] * 7, object)}
    np.savez(tmp_path / "net.npz", **arrays)  # type: ignore[arg-type]
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(Bomb()))
    for name in ("net.npz", "bare.npz"):
        with pytest.raises(DataError, match=name):
            authors.load(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(not AUTHORS.is_dir(), reason="the authors' released nets are not beside this repository")
@pytest.mark.parametrize(
    ("name", "low", "high"), [("cifar10_plain", 0.70, 0.90), ("cifar10_ceda", 0.1, 0.11), ("cifar100_acet", 0.01, 0.02)]
)
def test_the_released_nets_give_the_papers_confidence_on_noise(name: str, low: float, high: float) -> None:
    net = authors.load(AUTHORS / f"{name}.npz")
    uniform = torch.rand((128, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    g = torch.Generator().manual_seed(1)
    noise = torch.cat([paper_noise(part, g) for part in uniform.split(8)])  # 16 draws of the blur
    with torch.no_grad():
        assert low < net(noise).softmax(1).amax(1).mean().item() < high
