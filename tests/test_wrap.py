"""`openset.wrap`: users' nets become judges; what is usually wrong with them is said by name."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner

import openset
from drawn import reds_and_blues
from openset._cli.info import lines
from openset.cli import app
from openset.errors import TrainingError

SIDE = 16
NETS = """
from torch import nn
def colour():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
"""


def colour(channels: int = 3, classes: int = 2) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, classes),
    )  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reds_and_blues(tmp_path_factory.mktemp("wrap"), 60, SIDE)


@pytest.fixture(scope="module")
def trained(places: Path) -> nn.Sequential:
    """A net that its user trained on normalised pixels, and left in training mode."""
    torch.manual_seed(0)
    net = colour()
    files = [
        (path, k) for k, label in enumerate(("red", "blue")) for path in sorted((places / "data" / label).iterdir())
    ]
    x = torch.stack([torch.from_numpy(np.asarray(Image.open(f), np.float32) / 255).permute(2, 0, 1) for f, _ in files])
    y = torch.tensor([k for _, k in files])
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net((x - 0.5) / 0.25), y).backward()
        optimiser.step()
    return net.train()


def wrapped(net: nn.Module, **given: Any) -> Any:
    return openset.wrap(net, **({"labels": ("red", "blue"), "size": SIDE, "mean": [0.5], "std": [0.25]} | given))


def test_a_wrapped_net_gives_what_the_net_gives_on_normalised_pixels(trained: nn.Sequential) -> None:
    x = torch.rand((5, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(1))
    net = wrapped(trained)
    assert trained.training  # the given net is left as it is
    with torch.no_grad():
        expected = trained.eval()((x - 0.5) / 0.25)
        trained.train()
        torch.testing.assert_close(net(x), expected)
    said = {check.name: check for check in net.checks}
    assert not said["eval mode"].ok
    assert "1" in said["eval mode"].said
    assert said["range"].ok
    assert said["gradient"].ok


def test_a_temperature_is_fitted_where_the_net_errs_and_refused_where_it_does_not(
    places: Path, tmp_path: Path, trained: nn.Sequential
) -> None:
    with pytest.raises(TrainingError, match="all answers right"):
        wrapped(trained).fit("temperature", places / "data")
    erring = colour()
    erring.load_state_dict(trained.state_dict())
    files = [sorted((places / "data" / label).iterdir()) for label in ("red", "blue")]
    x = torch.stack([torch.from_numpy(np.asarray(Image.open(f), np.float32) / 255).permute(2, 0, 1) for f in files[1]])
    with torch.no_grad():  # far too sure, and wrong on a fifth of the blue ones
        said = erring.eval()((x - 0.5) / 0.25)
        erring[5].bias[0] += (said[:, 1] - said[:, 0]).quantile(0.2)
        erring[5].weight.mul_(20)
        erring[5].bias.mul_(20)
    net = wrapped(erring).fit("temperature", places / "data")
    assert net.head.temperature > 1
    judge = net.export(tmp_path / "judge.onnx", precision=0.6, delta=0.2)
    x = x[:3].numpy()
    logits = torch.from_numpy(judge.outputs(x)["logits"])
    expected = (logits / net.head.temperature).softmax(1).numpy()
    np.testing.assert_allclose(judge.outputs(x)["probabilities"], expected, atol=1e-4)


@pytest.mark.parametrize("head", ["laplace", "mahalanobis", "neighbours", "density", "certified"])
def test_every_other_head_is_fitted_on_folders_and_decides_in_the_judge_file(
    places: Path, tmp_path: Path, trained: nn.Sequential, head: str
) -> None:
    soft = colour()
    soft.load_state_dict(trained.state_dict())
    with torch.no_grad():  # a net of middling confidence
        soft[5].weight.mul_(0.3)
        soft[5].weight.add_(0.2 * torch.randn(2, 4, generator=torch.Generator().manual_seed(2)))
    net = wrapped(soft).fit(head, places / "data", out=[places / "out"])
    judge = net.export(tmp_path / "judge.onnx", precision=0.6, delta=0.2)
    assert judge.info.facts["head"] == head
    assert set(judge.labels) == {"red", "blue"}
    red, gray = judge(places / "data" / "red" / "00.png"), judge(places / "out" / "00.png")
    assert red.probabilities["red"] > 0.5
    assert sum(red.probabilities.values()) == pytest.approx(1, abs=1e-4)
    if head in ("mahalanobis", "density"):
        assert gray.confidence < red.confidence
    pixels = torch.from_numpy(np.asarray(Image.open(places / "data" / "red" / "00.png"), np.float32) / 255)
    with torch.no_grad():
        logits = judge.outputs(pixels.permute(2, 0, 1)[None].numpy())["logits"]
        torch.testing.assert_close(torch.from_numpy(logits), net(pixels.permute(2, 0, 1)[None]), rtol=1e-3, atol=1e-3)


def test_what_is_not_believed_goes_to_the_label_that_means_no(
    places: Path, tmp_path: Path, trained: nn.Sequential
) -> None:
    net = wrapped(trained).fit("certified", places / "data", out=[places / "out"], refuse="blue")
    judge = net.export(tmp_path / "judge.onnx", precision=0.6, delta=0.2)
    assert judge.info.facts["refuse"] == "blue"
    x = torch.rand((6, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(7))
    x[3:] = torch.tensor([0.8, 0.2, 0.2]).view(3, 1, 1)
    made = judge.outputs(x.numpy())
    plain = np.exp(made["logits"]) / np.exp(made["logits"]).sum(1, keepdims=True)
    with torch.no_grad():
        s = torch.sigmoid(net.head.score(x)).numpy()
    np.testing.assert_allclose(made["probabilities"][:, 0], s * plain[:, 0], atol=1e-4)  # red: never raised to 1/2
    np.testing.assert_allclose(made["probabilities"].sum(1), 1, atol=1e-4)


def test_what_is_lowered_for_small_folders_is_said(places: Path, tmp_path: Path, trained: nn.Sequential) -> None:
    notes = wrapped(trained).fit("density", places / "data", out=[places / "out"]).facts["notes"]
    (said,) = (note for note in notes if "centre" in note)
    assert "12 centres a side where 100 are usual" in said  # 85 % of 60 out-pictures are 51, and 4 are wanted for each
    assert "51 of none" in said
    (tmp_path / "out").mkdir()
    for i in range(6):
        for label in ("data/red", "data/blue"):
            (tmp_path / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(places / label / f"{i:02}.png", tmp_path / label)
        pixels = np.random.default_rng(i).integers(0, 40, (SIDE, SIDE, 3), np.uint8) + np.array([0, 200, 0], np.uint8)
        Image.fromarray(pixels).save(tmp_path / "out" / f"{i}.png")  # green
    mean_colour = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    few = wrapped(mean_colour, mean=None, std=None).fit("neighbours", tmp_path / "data", out=[tmp_path / "out"])
    learnt = len(few.head.distance.bank)
    assert learnt < 10
    assert few.head.distance.k == learnt
    assert any(f"neighbour {learnt} where 10 is usual" in note for note in few.facts["notes"])


def test_without_a_head_nothing_is_accepted_until_it_is_calibrated(tmp_path: Path, trained: nn.Sequential) -> None:
    judge = wrapped(trained).export(tmp_path / "judge.onnx")
    assert judge.info.thresholds == {}
    told = list(lines(judge.info))
    assert "  red: none, so always unknown. openset calibrate finds one" in told
    assert "  blue: none, so always unknown. openset calibrate finds one" in told
    decision = judge(np.full((SIDE, SIDE, 3), 200, np.uint8))
    assert decision.outcome == "unknown"


class Probabilities(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).softmax(1)


def test_probabilities_are_said_and_turned_back(trained: nn.Sequential) -> None:
    net = wrapped(Probabilities(trained))
    assert next(check for check in net.checks if check.name == "logits").ok is False
    x = torch.rand(3, 3, SIDE, SIDE)
    with torch.no_grad():
        torch.testing.assert_close(net(x).softmax(1), wrapped(trained)(x).softmax(1), rtol=1e-4, atol=1e-5)


def test_a_gray_net_sees_luma() -> None:
    torch.manual_seed(0)
    net, x = colour(1), torch.rand(2, 3, SIDE, SIDE)
    luma = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    with torch.no_grad():
        torch.testing.assert_close(wrapped(net)(x), net.eval()((luma - 0.5) / 0.25))


class Random(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = colour()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x + torch.rand_like(x))


class Together(Random):
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x - x.mean(0, keepdim=True))


class Then(nn.Module):
    """What `after` makes of a net's logits."""

    def __init__(self, after: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.net, self.after = colour(), after

    def forward(self, x: Tensor) -> Any:
        return self.after(self.net(x))


class Aside(nn.Module):
    """Its last linear layer is not the one that gives the logits, as auxiliary heads are."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.aside = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x.mean((2, 3)))


class Again(Aside):
    """One layer twice, and one whose weights are used without it: neither has features to be had."""

    def forward(self, x: Tensor) -> Tensor:
        once = nn.functional.linear(x.mean((2, 3)), self.main.weight)
        return nn.functional.pad(once, (0, 1)) @ self.aside.weight.T


@pytest.mark.parametrize(
    ("net", "last"),
    [
        (nn.Sequential(*colour(), nn.LogSoftmax(1)), None),
        (nn.Sequential(*colour(), nn.ReLU()), None),
        (nn.Sequential(*colour(), nn.ReLU(inplace=True)), None),  # the same tensor, written into
        (Then(lambda z: z.clamp_(-0.1, 0.1)), None),
        (Then(lambda z: 3 * z), None),
        (Then(lambda z: z.double()), None),
        (Again(), None),
        (Aside(), "main"),
        (nn.DataParallel(colour()), "module.5"),
    ],
)
def test_only_a_layer_that_gives_the_logits_is_the_last(tmp_path: Path, net: nn.Module, last: str | None) -> None:
    """A net that ends in something else was once exported without it: other logits, in silence."""
    made = wrapped(net)
    assert (made.last and made.last[0]) == last
    judge, x = made.export(tmp_path / "judge.onnx"), torch.rand(3, 3, SIDE, SIDE)
    with torch.no_grad():
        expected = net.eval()((x - 0.5) / 0.25).float()
    torch.testing.assert_close(torch.from_numpy(judge.outputs(x.numpy())["logits"]), expected, rtol=1e-4, atol=1e-4)
    if last is None:
        with pytest.raises(TrainingError, match="ends in a linear layer"):
            made.fit("mahalanobis", "data", out=["out"])


def test_the_audit_is_that_of_the_net_alone_and_goes_into_the_judge_file(tmp_path: Path) -> None:
    """A ReLU net is sure at the end of nearly every ray (theorem 3.1); what is beyond exact rays is named."""
    torch.manual_seed(0)
    net = colour()
    made = wrapped(net)
    found = made.audit(rays=3)
    x = torch.rand((3, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        ends = net.double().eval()((1e9 * x - 0.5) / 0.25).softmax(1).amax(1)
    share = float((ends > 0.999).double().mean())
    assert share > 0
    assert (found.value, found.kind, found.n) == (share, "proved", 3)
    assert made.export(tmp_path / "judge.onnx").info.audit == (found,)
    beyond = wrapped(nn.Sequential(*colour(), nn.Softmax(1))).audit()
    assert beyond.value is None
    assert "Softmax" in beyond.detail
    with pytest.raises(TrainingError, match="at least 1"):
        made.audit(rays=0)


def test_what_is_off_is_said() -> None:
    def said(net: nn.Module, **given: Any) -> dict[str, str]:
        return {check.name: check.said for check in wrapped(net, **given).checks if not check.ok}

    one = {"mean": np.float32(0.5), "std": 0.25, "size": np.int64(SIDE)}
    assert said(colour().eval(), **one).keys() <= {"logits"}  # one number is all channels'
    assert "Divide by 255" in said(colour(), mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4])["range"]
    assert "give its mean and std" in said(colour(), mean=None, std=None)["range"]
    assert "sigmoids" in said(nn.Sequential(*colour(), nn.Sigmoid()))["logits"]
    assert "no gradient" in said(Then(lambda z: z.detach()))["gradient"]


@pytest.mark.parametrize(
    ("net", "given", "said"),
    [
        (colour(classes=3), {}, r"gives \[4, 3\] for 4 pictures and there are 2 labels"),
        (colour(4), {}, "four channels"),
        (colour(5), {}, "fails on pixels"),
        (Random(), {}, "deterministic"),
        (Then(nn.functional.dropout), {}, "deterministic"),
        (Then(lambda z: z[:, :, None, None].squeeze()), {}, r"alone the net gives \[2\], expected \[1, 2\]"),
        (Then(lambda z: nn.functional.batch_norm(z, None, None, training=True)), {}, "fails on a batch of one picture"),
        (Then(lambda z: (z, z)), {}, r"gives tuple for 4 pictures"),
        (Then(lambda z: nn.functional.one_hot(z.argmax(1), 2)), {}, "decisions"),
        (Then(lambda z: z / 0), {}, "not finite"),
        (nn.Linear, {}, "the class Linear: give a torch.nn.Module"),
        (lambda x: x, {}, "a function: give a torch.nn.Module"),
        (torch.jit.ScriptModule(), {}, "compiled by torch.jit"),
        (colour().to("meta"), {}, "cannot be copied"),
        (colour(1), {"mean": [0.5, 0.5, 0.5]}, "the net is gray: give 1"),
        (colour(), {"labels": np.eye(2)}, "two different names"),
        (colour(), {"labels": [[1, 0], [0, 1]]}, "two different names"),
        (colour(), {"size": (16, 16)}, "one whole number"),
        (colour(), {"mode": "resize"}, "fit, stretch, crop"),
        (Together(), {}, "other pictures of its batch"),
        (nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)), {}, "running statistics"),
        (colour(), {"labels": ("red", "red")}, "two different names"),
        (colour(), {"labels": "ab"}, "two different names"),
        (colour(), {"std": [0.0]}, "must be above 0"),
        (colour(), {"std": [float("inf")]}, "one finite number"),
        (colour(), {"mean": [[0.5, 0.5, 0.5]]}, "one finite number, or one a channel"),
        (colour(), {"mean": "half"}, "mean='half' cannot be"),
        (colour(), {"labels": None}, "two different names"),
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(2)), {}, "'1.weight' has no weights yet"),
        (colour(), {"mean": [0.5, 0.5]}, "give 1 or 3"),
    ],
)
def test_what_cannot_be_a_judge_is_refused_by_name(net: nn.Module, given: dict[str, Any], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        wrapped(net, **given)


def test_a_label_with_decomposed_accents_is_fitted_on_its_folder(
    places: Path, tmp_path: Path, trained: nn.Sequential
) -> None:
    composed, decomposed = (unicodedata.normalize(form, "rosé") for form in ("NFC", "NFD"))
    (tmp_path / "data").mkdir()
    shutil.copytree(places / "data" / "red", tmp_path / "data" / composed)
    shutil.copytree(places / "data" / "blue", tmp_path / "data" / "blue")
    net = wrapped(trained, labels=(decomposed, "blue")).fit("mahalanobis", tmp_path / "data", out=[places / "out"])
    assert net.labels == (composed, "blue")
    with pytest.raises(TrainingError, match="two different names"):
        wrapped(colour(), labels=(decomposed, composed))


def test_what_cannot_be_fitted_is_refused_by_name(places: Path, trained: nn.Sequential) -> None:
    net = wrapped(trained, labels=("red", "green"))
    with pytest.raises(TrainingError, match="name the folders as the labels"):
        net.fit("temperature", places / "data")
    with pytest.raises(TrainingError, match="give out folders"):
        wrapped(trained).fit("density", places / "data")
    with pytest.raises(TrainingError, match="ends in a linear layer"):
        wrapped(Probabilities(trained)).fit("laplace", places / "data")
    for head, refuse in (("density", "red"), ("certified", "green")):
        with pytest.raises(TrainingError, match=f"refuse='{refuse}' with the head \"{head}\" cannot be"):
            wrapped(trained).fit(head, places / "data", out=[places / "out"], refuse=refuse)


def test_the_command_wraps_a_net_of_a_module(
    places: Path, tmp_path: Path, trained: nn.Sequential, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mynets_of_wrap.py").write_text(NETS)
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    monkeypatch.chdir(tmp_path)
    words = [
        "wrap",
        "mynets_of_wrap:colour",
        "--labels",
        "red, blue",
        "--size",
        str(SIDE),
        "--weights",
        "weights.safetensors",
    ]
    words += ["--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25"]
    done = CliRunner().invoke(
        app, [*words, "--head", "density", "--data", str(places / "data"), "--out", str(places / "out")]
    )
    assert done.exit_code == 0, done.output
    assert "6 layers left in training mode (0, 1, 2, ...): the copy is in eval mode" in done.output
    assert "  logits: the outputs are logits, as expected" in done.output
    assert "rays alpha * noise that end at confidence 1: 100% of 2, proved" in done.output
    assert openset.open_judge("judge.onnx")(places / "data" / "blue" / "03.png").probabilities["blue"] > 0.9
    for wrong, said in (
        ([*words[:-1], "a,b,c"], "not understood"),
        ([*words, "--head", "density"], "go together"),
        ([*words, "--weights", "nowhere.pt"], "no weights file"),
        (["wrap", "mynets_of_wrap:none", *words[2:]], "cannot be imported"),
    ):
        failed = CliRunner().invoke(app, wrong)
        assert failed.exit_code in (1, 2)
        assert said in failed.output
        assert "Traceback" not in failed.output


def test_what_makes_a_net_may_import_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mynets_late.py").write_text(NETS)
    (tmp_path / "mynets_lazy.py").write_text("def make():\n    from mynets_late import colour\n    return colour()\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", [place for place in before if place and Path(place) != tmp_path])
    done = CliRunner().invoke(app, ["wrap", "mynets_lazy:make", "--labels", "red, blue", "--size", str(SIDE)])
    assert done.exit_code == 0, done.output
    assert str(tmp_path) not in sys.path


@pytest.mark.parametrize(
    ("net", "weights", "said"),
    [
        ("mynets_odd", None, "no module:callable"),
        ("mynets_odd:", None, "no module:callable"),
        ("../mynets_odd:made", None, "no module:callable"),
        ("mynets_nowhere:made", None, "cannot be imported"),
        ("mynets_odd:nothing", None, "cannot be imported"),
        ("mynets_odd:COUNT", None, "is int, neither a net nor what makes one"),
        ("mynets_odd:asks", None, "missing 1 required positional argument"),
        ("mynets_odd:fails", None, "RuntimeError: no configuration"),
        ("mynets_odd:other", None, "gives list, not a torch.nn.Module"),
        ("mynets_broken:made", None, "SyntaxError"),
        ("mynets_dies:made", None, "ZeroDivisionError"),
        ("mynets_ends:made", None, "SystemExit: 2"),
        ("mynets_odd:made", "text.safetensors", "cannot be read as weights"),
        ("mynets_odd:made", "text.pt", "cannot be read as weights"),
        ("mynets_odd:made", "list.pt", "not a state dict"),
        ("mynets_odd:made", "other.pt", "2 tensors missing ['2.bias', '2.weight'], 1 unknown ['a']"),
        ("mynets_odd:made", ".", "no weights file"),
    ],
)
def test_a_wrong_name_or_weights_file_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, net: str, weights: str | None, said: str
) -> None:
    (tmp_path / "mynets_odd.py").write_text(
        "from torch import nn\nCOUNT = 3\ndef asks(width): return width\ndef fails(): raise RuntimeError('no configuration')\n"
        "other = lambda: []\nmade = lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))\n"
    )
    (tmp_path / "mynets_broken.py").write_text("def made(:")
    (tmp_path / "mynets_dies.py").write_text("1 / 0")
    (tmp_path / "mynets_ends.py").write_text("raise SystemExit(2)")  # as argparse does at the end of a training script
    for name in ("text.safetensors", "text.pt"):
        (tmp_path / name).write_text("no weights")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pt")
    monkeypatch.chdir(tmp_path)
    words = ["wrap", net, "--labels", "red, blue", "--size", "16", *(["--weights", weights] if weights else [])]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert said in done.output
    assert not (tmp_path / "judge.onnx").exists()


@pytest.mark.parametrize("kind", ["torchvision", "timm"])
def test_torchvisions_and_timms_nets_are_wrapped_and_exported(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    if kind == "torchvision":
        from torchvision.models import resnet18

        net: nn.Module = resnet18(num_classes=3)
    else:
        import timm

        net = timm.create_model("test_resnet.r160_in1k", pretrained=False, num_classes=3)
    wrapped_net = openset.wrap(
        net, labels=("a", "b", "c"), size=64, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]
    )
    assert wrapped_net.last is not None
    judge = wrapped_net.export(tmp_path / "judge.onnx")
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            torch.from_numpy(judge.outputs(x.numpy())["logits"]), wrapped_net(x), rtol=1e-3, atol=1e-3
        )
