"""The sheet-music judge's own parts: boxes that move with the picture, shards, cell targets, pooling, ACET's ball."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from openset.errors import DataError
from openset.sheetmusic.acet import NoiseAttack, evidence, noise_like
from openset.sheetmusic.build import chains, load_backbone, train_backbones
from openset.sheetmusic.corpus import Corpus, build, write_shard
from openset.sheetmusic.crops import IGNORE, cell_targets, cut, draw, inverted, jumble, staff_space
from openset.sheetmusic.degrade import KINDS, SIDE, degrade
from openset.sheetmusic.fit import BATCH, MINED, cell_loss, draw_batch, fit_backbone, with_worst
from openset.sheetmusic.medley import cutting, medleys, screened
from openset.sheetmusic.net import (
    FEATURES,
    LABELS,
    NARROW,
    OTHER,
    OUT,
    SHEET,
    Backbone,
    Pooling,
    SheetNet,
    TwoLooks,
    ink,
    pooled,
)
from openset.sheetmusic.plan import STAGES, Stage
from openset.sheetmusic.pool import Pages, balance, fit_looks, fit_pooling, pixels_of, read_pages
from openset.sheetmusic.sample import Sample
from openset.sheetmusic.stress import aim, attacked_noise, with_noise


def score(h: int = 900, w: int = 700, space: float = 8.0) -> Sample:
    """White paper, three staves with round notes of a staff space's size, and their boxes."""
    page = np.full((h, w), 255, np.uint8)
    staves, notes = [], []
    for top in (150.0, 400.0, 650.0):
        for k in range(5):
            cv2.line(page, (60, round(top + k * space)), (w - 60, round(top + k * space)), 0, 1)
        bottom = top + 4 * space
        staves.append([[60, top], [w - 60, top], [w - 60, bottom], [60, bottom]])
        for x in range(120, w - 100, 60):
            notes.append([x, top + 2 * space])
            cv2.circle(page, (x, round(top + 2 * space)), round(space * 0.7), 0, -1)
    return Sample(page, "drawn", True, np.array(notes, np.float32), np.array(staves, np.float32))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_notes_move_with_the_picture(kind: str, seed: int) -> None:
    moved = degrade(score(), np.random.default_rng(seed), kind=kind)
    assert max(moved.image.shape) == SIDE
    assert moved.image.dtype == np.uint8
    assert len(moved.notes) > 0
    # a note's centre is ink: darker (lighter when inverted) than the paper beside the staff, for nearly all notes
    image = cv2.GaussianBlur(moved.image, (0, 0), 1.0).astype(float)
    space = staff_space(moved)
    paper = cv2.blur(moved.image.astype(np.float32), (int(8 * space), int(8 * space)))
    rows, columns = moved.notes[:, 1].astype(int), moved.notes[:, 0].astype(int)
    differs = (image - paper)[rows, columns] * (-1 if kind == "inverted" else 1)
    assert (differs < 0).mean() > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_degrading_is_repeatable_and_keeps_other_pictures_other(kind: str) -> None:
    page = np.random.default_rng(3).integers(0, 256, (500, 800, 3)).astype(np.uint8)
    first, second = (degrade(Sample(page, "noise", False), np.random.default_rng(1), kind=kind) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert not first.sheet
    assert len(first.notes) == len(first.staves) == 0


def test_a_score_without_a_note_in_the_frame_is_no_score() -> None:
    bare = Sample(score().image, "drawn", True)
    assert not degrade(bare, np.random.default_rng(0), kind="clean").sheet


def test_shards_come_back_as_written(tmp_path: Path) -> None:
    samples = [score(900 + k, 700 + k) for k in range(3)] + [Sample(np.zeros((5, 7), np.uint8), "flat", False)]
    write_shard(tmp_path / "00000", samples)
    corpus = Corpus.open(tmp_path)
    assert corpus.family == ["drawn", "drawn", "drawn", "flat"]
    for kept, sample in zip(corpus, samples, strict=True):
        assert np.array_equal(kept.image, sample.image)
        assert np.array_equal(kept.notes, sample.notes)
        assert np.array_equal(kept.staves, sample.staves)
    with pytest.raises(DataError, match="no finished shard"):
        Corpus.open(tmp_path / "nothing")


def make_noise(rng: np.random.Generator) -> Sample:
    return Sample(rng.integers(0, 256, (64, 64)).astype(np.uint8), "noise", False)


def load_noise() -> object:
    return make_noise


def test_a_build_goes_on_where_it_stopped_and_gives_the_same(tmp_path: Path) -> None:
    def quiet(done: int, total: int) -> None:
        assert done <= total

    for name in ("whole", "stopped"):
        build(tmp_path / name, 5, 7, load_noise, workers=1, progress=quiet, shard=2)
    (tmp_path / "stopped" / "00001.npz").unlink()
    build(tmp_path / "stopped", 5, 7, load_noise, workers=1, progress=quiet, shard=2)
    pictures = [[s.image for s in Corpus.open(tmp_path / name)] for name in ("whole", "stopped")]
    assert len(pictures[0]) == 5
    assert all(np.array_equal(a, b) for a, b in zip(*pictures, strict=True))


def test_cells_on_a_staff_near_notes_are_sheet_music() -> None:
    page = score()
    cells = cell_targets(page, (0.0, 0.0), 1.0, 640, OUT)
    middle = (150 + 16) // 16
    assert (cells[middle, 7:30] == SHEET).all()
    assert (cells[0, :] == OTHER).all()  # the margin above the first staff
    assert cells[middle - 3, 10] == IGNORE  # beside the staff: doubtful
    too_small = cell_targets(page, (0.0, 0.0), 0.25, 160, OUT)
    assert SHEET not in too_small  # a staff space of two pixels cannot be read
    other = cell_targets(Sample(page.image, "x", False), (0.0, 0.0), 1.0, 640, OUT)
    assert (other == OUT).all()


@pytest.mark.parametrize("turn", [0, 90, 37])
def test_cells_follow_a_turned_staff(turn: int) -> None:
    page = score(700, 700)
    matrix = cv2.getRotationMatrix2D((350, 350), turn, 1.0)
    turned = cv2.warpAffine(page.image, matrix, (700, 700), borderValue=255)

    def move(points: np.ndarray) -> np.ndarray:
        return cv2.transform(points.reshape(-1, 1, 2), matrix).reshape(points.shape).astype(np.float32)

    rotated = Sample(turned, "drawn", True, move(page.notes), move(page.staves))
    cells = cell_targets(rotated, (0.0, 0.0), 1.0, 688, OUT)
    assert staff_space(rotated) == pytest.approx(8.0, rel=1e-3)
    for x, y in rotated.notes:
        if 16 < x < 670 and 16 < y < 670:
            assert cells[int(y) // 16, int(x) // 16] == SHEET


def test_a_crop_beyond_the_page_is_white_there() -> None:
    crop = cut(np.zeros((100, 100), np.uint8), (-40.0, 60.0), 1.0, 80)
    assert (crop[:40, 40:] == 0).all()
    assert (crop[:, :40] == 255).all()
    assert (crop[40:] == 255).all()


def test_drawn_crops_are_repeatable() -> None:
    for page in (score(), Sample(score().image, "x", False)):
        one, two = (draw(page, np.random.default_rng(5), 320, OUT) for _ in range(2))
        assert np.array_equal(one[0], two[0])
        assert np.array_equal(one[1], two[1])
        assert one[0].shape == (320, 320)
        assert one[1].shape == (20, 20)


def test_the_cell_loss_is_cross_entropy_where_all_is_ink() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 4, 4), torch.full((2, 4, 4), OUT)
    gray = torch.rand(2, 1, 64, 64)
    wanted = torch.nn.functional.cross_entropy(logits, target.long(), reduction="none").mean((1, 2))
    assert torch.allclose(cell_loss(logits, target.to(torch.uint8), gray), wanted, atol=1e-6)
    ignored = torch.full((2, 4, 4), IGNORE, dtype=torch.uint8)
    assert cell_loss(logits, ignored, gray).abs().max() == 0


def test_ink_is_the_spread_of_gray_around_a_cell() -> None:
    gray = torch.ones(1, 1, 64, 64)
    assert ink(gray).abs().max() == 0
    gray[0, 0, 20, 20] = 0.25  # in cell (1, 1): seen by its eight neighbours too, by no other
    spread = ink(gray)[0]
    assert torch.equal(spread[:3, :3], torch.full((3, 3), 0.75))
    assert spread[3, :].abs().max() == 0


def test_one_lone_cell_is_no_page_of_music() -> None:
    spread = torch.ones(1, 24, 24)
    empty = torch.zeros(1, 3, 24, 24)
    empty[:, SHEET] = -6
    lone, many = empty.clone(), empty.clone()
    lone[:, SHEET, 12, 12] = 20
    many[:, SHEET, 8:16, 4:20] = 6
    of_empty, of_lone, of_many = (pooled(x, spread)[0] for x in (empty, lone, many))
    assert of_empty.shape == (FEATURES,)
    assert of_lone[0] - of_empty[0] < 0.1  # max pooling would call this certain
    assert of_many[0] - of_empty[0] > 3.0
    assert of_many[3] > 3 > of_lone[3]


def test_probabilities_are_shared_out_from_three_inner_classes() -> None:
    torch.manual_seed(0)
    net = SheetNet(second=Backbone()).eval()
    with torch.inference_mode():
        pixels = torch.rand(2, 3, 128, 192)
        made = net.outputs(pixels)
        inner = torch.softmax(net.pooling(torch.cat([pooled(*s) for s in net.maps(pixels)], 1)), 1)
    assert torch.allclose(made["probabilities"].sum(1), torch.ones(2), atol=1e-6)
    assert torch.allclose(made["probabilities"][:, 0], inner[:, SHEET] + inner[:, OUT] / 2, atol=1e-6)
    assert torch.allclose(made["logits"].exp(), made["probabilities"], atol=1e-6)
    assert torch.allclose(made["score"], inner[:, SHEET] + inner[:, OTHER], atol=1e-6)
    assert LABELS == ("sheet_music", "other")


def test_each_look_reads_the_whole_page_at_every_scale() -> None:
    torch.manual_seed(2)
    net = SheetNet(second=Backbone(NARROW)).eval()
    page = torch.rand(1, 1, 128, 192).expand(1, 3, 128, 192)
    with torch.inference_mode():
        maps = net.maps(page)
        halved = page[:, :1].unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
        assert torch.allclose(maps[1][0], net.backbone(halved), atol=1e-4)
        assert torch.allclose(maps[4][0], net.second(halved), atol=1e-4)
    assert [tuple(logits.shape[2:]) for logits, _ in maps] == 2 * [(8, 12), (4, 6), (2, 3)]
    assert all(torch.equal(a[1], b[1]) for a, b in zip(maps[:3], maps[3:], strict=True))


def test_two_looks_are_as_sure_as_the_less_sure_of_them_and_no_more() -> None:
    torch.manual_seed(1)
    pooling = TwoLooks().eval()
    features = 3 * torch.randn(200, 6 * FEATURES)
    with torch.inference_mode():
        looks = pooling.first(features[:, : 3 * FEATURES]), pooling.second(features[:, 3 * FEATURES :])
        first, second, both = (torch.softmax(x, 1).double().numpy() for x in (*looks, pooling(features)))
    assert np.allclose(both.sum(1), 1, atol=1e-6)
    p, q, r = (x[:, SHEET] + x[:, OUT] / 2 for x in (first, second, both))
    assert np.allclose(r, np.median([p, q, np.full(200, 0.5)], 0), atol=1e-6)
    assert 20 < ((p > 0.5) != (q > 0.5)).sum() < 180  # they agree on some and not on others
    for t in (0.55, 0.7):
        clear = (np.abs(p - t) > 1e-5) & (np.abs(q - t) > 1e-5)
        assert ((r > t) == ((p > t) & (q > t)))[clear].all()


def test_what_an_attack_climbs_has_a_slope_where_the_looks_disagree() -> None:
    torch.manual_seed(6)
    net = SheetNet(second=Backbone(NARROW)).eval()
    for look, leans in ((net.pooling.first, SHEET), (net.pooling.second, OTHER)):
        for member in look.members:
            with torch.no_grad():
                member[-1].bias[leans] += 3
    gray = torch.rand(2, 1, 128, 128, requires_grad=True)
    p = net.outputs(gray.expand(-1, 3, -1, -1))["probabilities"]
    assert torch.allclose(p, torch.full_like(p, 0.5))
    assert torch.autograd.grad(p[:, SHEET].sum(), gray)[0].abs().max() == 0  # a plateau: no way up to be seen
    value = aim(net, gray)
    assert (torch.autograd.grad(value.sum(), gray)[0].abs().amax((1, 2, 3)) > 0).all()
    with torch.inference_mode():
        inner = [torch.exp(q).double().numpy() for q in net.pooling.looks(net.features(gray.expand(-1, 3, -1, -1)))]
    odds = [(q[:, SHEET] + q[:, OUT] / 2) / (q[:, OTHER] + q[:, OUT] / 2) for q in inner]
    assert np.allclose(value.detach().numpy(), -np.log(1 / odds[0] + 1 / odds[1]), atol=1e-4)


def test_attacked_noise_is_never_less_sure_than_before() -> None:
    torch.manual_seed(7)
    net, scores = SheetNet(second=Backbone(NARROW)).eval(), torch.rand(2, 1, 64, 64)
    before, after = attacked_noise(net, scores, eps=0.1, n=2, seed=0, steps=2, squares=3).T
    assert (after >= before).all()
    rng = np.random.default_rng([0, 2])
    noise = noise_like(scores[[int(rng.integers(2))]], rng)
    with torch.inference_mode():
        own = net.outputs(noise.expand(-1, 3, -1, -1))["probabilities"]
    assert np.isclose(before[0], float(own[0, SHEET]), atol=1e-6)
    told = attacked_noise(
        net, scores, eps=0.1, n=2, seed=0, steps=2, squares=3, judge=lambda pixels: pixels[:, :2, 0, 0]
    )
    assert np.isclose(told[0, 0], float(noise[0, 0, 0, 0]))  # as the judge says, not the net


def test_a_pooling_that_learns_attacked_noise_says_less_of_it() -> None:
    torch.manual_seed(3)
    net, scores = SheetNet(second=Backbone(NARROW)).eval(), torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        usual = net.features(noise_like(scores[:1], np.random.default_rng(0)).expand(-1, 3, -1, -1))
    sheet = np.arange(80) % 2 == 0  # scores lie next to noise, the others far from it on the other side
    told = usual + torch.from_numpy(np.where(sheet, 1.0, -4.0)).float()[:, None] + 0.3 * torch.randn(80, usual.shape[1])
    pages = Pages(
        told, np.where(sheet, "a", "b"), sheet, np.where(sheet, SHEET, OTHER).astype(np.uint8), np.ones(80, bool)
    )
    net.pooling = fit_looks(pages, seed=0)
    more = with_noise(net, pages, scores, n=4, seed=5)
    noise = more.features[80:]
    assert torch.equal(more.features[:80], pages.features)
    assert (more.classes[80:] == OUT).all()
    assert not more.sheet[80:].any()
    assert balance(more)[80:].sum().item() == pytest.approx(0.25)  # one of two families without music
    assert torch.equal(with_noise(net, pages, scores, n=4, seed=5).features, more.features)  # whatever the threads do
    learned = fit_looks(more, seed=0)
    with torch.inference_mode():
        before, after = (torch.softmax(pooling(noise), 1)[:, SHEET] for pooling in (net.pooling, learned))
    assert before.min() > 0.5
    assert after.max() < 0.1


def test_each_look_has_its_own_pooling() -> None:
    rng = np.random.default_rng(2)
    classes = rng.integers(0, 3, 120)
    told = rng.normal(0, 0.3, (120, 3 * FEATURES)) + 2 * np.eye(3)[classes].repeat(FEATURES, 1)
    blind = rng.normal(0, 1, (120, 3 * FEATURES))
    pages = Pages(
        torch.from_numpy(np.concatenate([told, blind], 1)).float(),
        np.array(["a", "b", "c"])[classes],
        classes == SHEET,
        classes.astype(np.uint8),
        np.ones(120, bool),
    )
    looks = fit_looks(pages, seed=0)
    alone = fit_pooling(replace(pages, features=pages.features[:, : 3 * FEATURES]), seed=0)
    assert torch.equal(looks.first(pages.features[:, : 3 * FEATURES]), alone(pages.features[:, : 3 * FEATURES]))
    assert torch.equal(looks.second.mean, pages.features[:, 3 * FEATURES :].mean(0))


def test_a_page_is_padded_with_white_to_multiples_of_64() -> None:
    pixels = pixels_of(np.zeros((1024, 700), np.uint8))
    assert pixels.shape == (1, 3, 1024, 704)
    assert pixels[..., :700].max() == 0
    assert pixels[..., 700:].min() == 1


def test_attacked_noise_stays_in_its_ball_and_only_the_last_rows_move() -> None:
    torch.manual_seed(0)
    net = Backbone()
    pixels, target = torch.rand(8, 1, 64, 64), torch.zeros(8, 4, 4, dtype=torch.uint8)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    attack = NoiseAttack(0.2, steps=2, rows=4, seed=3)
    moved, classes = attack(net, pixels, target, 5)
    assert torch.equal(moved[:4], pixels[:4])
    assert (classes[4:] == OUT).all()
    assert (classes[:4] == SHEET).all()
    assert moved.min() >= 0
    assert moved.max() <= 1
    noise = noise_like(pixels[-4:], np.random.default_rng([3, 5, 7]))
    rng = np.random.default_rng([3, 5, 7])
    noise_like(pixels[-4:], rng)
    eps = torch.from_numpy(rng.uniform(0.05, 0.2, (4, 1, 1, 1)).astype(np.float32))
    assert ((moved[4:] - noise).abs() <= eps + 1e-6).all()
    assert net.training
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())  # batch-norm untouched, no step taken
    assert all(p.grad is None for p in net.parameters())


def test_families_weigh_the_same_whatever_their_size() -> None:
    family = np.array(["score"] * 4 + ["table"] * 2 + ["photo"] * 6)
    sheet = np.array([True] * 4 + [False] * 8)
    use = np.ones(12, bool)
    use[0] = False
    weight = balance(Pages(torch.zeros(12, 1), family, sheet, np.zeros(12, np.uint8), use)).numpy()
    assert weight[0] == 0
    assert weight[sheet].sum() == pytest.approx(0.5)
    assert weight[4:6].sum() == pytest.approx(0.25)
    assert weight[6:].sum() == pytest.approx(0.25)


def test_the_pooling_learns_what_can_be_separated() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat([SHEET, OTHER, OUT], 60).astype(np.uint8)
    features = rng.normal(0, 0.3, (180, 3 * FEATURES)) + 2 * np.eye(3)[classes].repeat(FEATURES, 1)
    pages = Pages(
        torch.from_numpy(features).float(), classes.astype(str), classes == SHEET, classes, np.ones(180, bool)
    )
    inner = torch.softmax(fit_pooling(pages, seed=0, steps=300)(pages.features), 1)
    assert (inner.argmax(1).numpy() == classes).mean() > 0.98
    plain = fit_pooling(pages, seed=0, steps=300, two_classes=True)
    assert isinstance(plain, Pooling)
    assert torch.softmax(plain(pages.features), 1)[:, OUT].max() == 0


def test_training_goes_on_after_a_stop(tmp_path: Path) -> None:
    write_shard(
        tmp_path / "00000", [score() for _ in range(2)] + [make_noise(np.random.default_rng(k)) for k in range(2)]
    )
    corpus = Corpus.open(tmp_path)
    classes = np.full(4, OUT, np.uint8)
    said: list[str] = []
    runs = [
        fit_backbone(corpus, classes, tmp_path / name, steps=2, seed=0, widths=NARROW, say=said.append)
        for name in ("run", "run", "elsewhere")
    ]
    assert (
        len(said) == 2
    )  # the finished run is loaded, not trained again; elsewhere the same seed starts from the same weights
    for first, *others in zip(*(run.state_dict().values() for run in runs), strict=True):
        assert all(torch.equal(first, other) for other in others)


def test_stages_that_go_on_from_one_another_are_one_chain() -> None:
    assert chains(STAGES) == [[0, 1, 3], [2]]
    a, b = Stage("a", (), 1, 0.1), Stage("b", (), 1, 0.1)
    assert chains((a, b, replace(a, name="c", start="b"), replace(a, name="d", start="a"))) == [[0, 3], [1, 2]]


def test_backbones_are_trained_side_by_side_and_once(tmp_path: Path) -> None:
    (tmp_path / "corpus" / "few").mkdir(parents=True)
    write_shard(tmp_path / "corpus" / "few" / "00000", [score(), make_noise(np.random.default_rng(0))])
    first = Stage("first", ("few",), 1, 1e-3, widths=NARROW)
    still = replace(first, name="still", start="first", lr=0.0)  # goes on from the first without a move
    stages = (first, still, replace(first, name="apart"))
    train_backbones(tmp_path, stages, 0, 2, (tmp_path / "beside").mkdir)
    assert (tmp_path / "beside").is_dir()
    nets = [load_backbone(tmp_path / stage.name, NARROW) for stage in stages]
    weights = [torch.cat([p.detach().flatten() for p in net.parameters()]) for net in nets]
    torch.testing.assert_close(weights[1], weights[0])
    assert not torch.allclose(weights[2], weights[0], atol=1e-3), "a chain begins with a seed of its own"
    files = sorted(tmp_path.rglob("*.safetensors"))
    before = [file.stat().st_mtime_ns for file in files]
    train_backbones(tmp_path, stages, 0, 2, (tmp_path / "later").mkdir)
    assert (tmp_path / "later").is_dir(), "what was to be done beside them is done when nothing is left to train"
    assert [file.stat().st_mtime_ns for file in files] == before


def test_pages_are_read_in_order_on_all_threads(tmp_path: Path) -> None:
    pages = [score(), *(make_noise(np.random.default_rng(k)) for k in range(3))]
    write_shard(tmp_path / "00000", pages)
    torch.manual_seed(0)
    net, before = SheetNet(Backbone(NARROW)).eval(), torch.get_num_threads()
    read = read_pages(net.features, Corpus.open(tmp_path), np.full(4, OUT, np.uint8), np.array([2, 0, 3]))
    assert torch.get_num_threads() == before
    assert read.sheet.tolist() == [False, True, False]
    with torch.inference_mode():
        for row, i in zip(read.features, (2, 0, 3), strict=True):
            torch.testing.assert_close(row[None], net.features(pixels_of(pages[i].image)), rtol=1e-4, atol=1e-4)


def test_a_jumble_holds_only_what_its_crops_hold() -> None:
    crops = [np.full((160, 160), gray, np.uint8) for gray in (40, 90)]
    made = [jumble(crops, np.random.default_rng(k)) for k in range(30)]
    pieces = {40, 90, 255 - 40, 255 - 90}
    grounds = [set(np.unique(one).tolist()) - pieces for one in made]
    assert pieces <= {int(v) for one in made for v in np.unique(one)}
    assert max(len(ground) for ground in grounds) == 1, "beside the pieces there is one ground at most"
    assert all((crop == crop[0, 0]).all() for crop in crops), "the crops themselves are left alone"


def test_a_crop_is_inverted_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)
    share = np.mean([inverted(np.zeros((2, 2), np.uint8), rng, 0.3)[0, 0] == 255 for _ in range(2000)])
    assert abs(share - 0.3) < 0.04


def test_hard_families_are_drawn_more_often_and_jumbles_are_no_sample(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    page = Sample(rng.integers(0, 256, (400, 400)).astype(np.uint8), "easy", False)
    samples = [score(), page, Sample(page.image, "tough", False)]
    write_shard(tmp_path / "00000", samples)
    corpus = Corpus.open(tmp_path)
    groups = [np.array([0]), np.array([1]), np.array([2])]
    hard = np.array([0.5, 0.01, 0.99], np.float32)
    ids = np.concatenate([draw_batch(corpus, np.full(3, OUT, np.uint8), groups, hard, 0, s)[2] for s in range(40)])
    easy, tough, mixed = (int((ids == k).sum()) for k in (1, 2, -1))
    assert 2 * easy < tough  # odds of 1 to 3
    assert abs(mixed / 320 - 0.25) < 0.08
    pixels, cells, ids = draw_batch(corpus, np.full(3, OTHER, np.uint8), groups, hard, 0, 0)
    assert (cells[torch.from_numpy(ids == -1)] == OUT).all()
    assert pixels.shape == (16, 1, 320, 320)
    pixels, cells, ids = draw_batch(corpus, np.full(3, OTHER, np.uint8), groups, hard, 0, 0, 8)
    assert pixels.shape == (24, 1, 320, 320)
    assert set(ids[16:]) == {1, 2}  # spare crops show no music
    assert (cells[16:] == OTHER).all()


def test_the_worst_spare_crop_of_each_group_takes_the_place_of_one_without_music() -> None:
    torch.manual_seed(4)
    net = Backbone(NARROW).train()
    pixels, target = torch.rand(BATCH + 3 * MINED, 1, 64, 64), torch.zeros(BATCH + 3 * MINED, 4, 4, dtype=torch.uint8)
    pixels[:, :, ::2] *= torch.rand(len(pixels), 1, 1, 1)
    ids = np.arange(len(pixels))
    moved, cells, left = with_worst(net, pixels, target, ids)
    assert net.training
    assert len(moved) == len(cells) == BATCH
    replaced = np.flatnonzero(left != ids[:BATCH])
    assert replaced.tolist() == [1, 3, 5, 7]  # even places show music
    with torch.no_grad():
        odds = evidence(net.eval()(pixels[BATCH:])).view(MINED, 3)
    assert left[replaced].tolist() == [BATCH + 3 * k + int(odds[k].argmax()) for k in range(MINED)]
    assert torch.equal(moved, pixels[left])


@pytest.mark.parametrize("seed", range(4))
def test_medleys_show_pieces_of_the_families_given(seed: int) -> None:
    calls = []

    def gray(rng: np.random.Generator) -> np.ndarray:
        calls.append(1)
        return np.full((300, 200), 128, np.uint8) + rng.integers(0, 2, (300, 200), np.uint8)

    for draw_page in medleys({"gray": gray}).values():
        calls.clear()
        picture = draw_page(np.random.default_rng(seed))
        assert picture.dtype == np.uint8
        assert calls
        assert max(picture.shape) >= 900
        assert np.isin(picture, (126, 127, 128, 129)).any()


def test_a_screened_piece_is_black_and_white_and_a_cutting_has_the_size_asked_for() -> None:
    from PIL import Image

    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 200).astype(np.uint8), (120, 1)))
    for seed in range(12):
        rng = np.random.default_rng(seed)
        drawn = np.asarray(screened(rng, ramp))
        assert set(np.unique(drawn)) <= {0, 255}
        assert drawn.shape == (120, 200)
        assert drawn[:, :60].mean() < drawn[:, -60:].mean()
        piece = cutting(rng, [ramp], 20, 16)
        assert {piece.width, piece.height} == {20, 16}
