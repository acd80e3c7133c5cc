"""Pictures that a judge takes for music: each family's contract, and which parts of the data hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("resvg_py", reason="the synthetic negatives need openset[sheetmusic]")

from openset.sheetmusic import recipe
from openset.sheetmusic.confusers import CONFUSERS
from openset.sheetmusic.confusers_boxes import HEIGHTS
from openset.sheetmusic.confusers_ruled import GROUPS
from openset.sheetmusic.documents import DOCUMENTS
from openset.sheetmusic.lines import LINES
from openset.sheetmusic.net import OUT


@pytest.mark.parametrize("name", sorted(CONFUSERS))
def test_a_confuser_is_a_gray_page_the_same_for_the_same_seed_and_another_for_another(name: str) -> None:
    first, again, *others = (CONFUSERS[name](np.random.default_rng(seed)) for seed in (7, 7, 8, 9, 10))
    for page in (first, *others):
        assert page.dtype == np.uint8
        assert page.ndim == 2
        assert 900 <= max(page.shape) <= 1300
        assert np.ptp(page) > 20  # something is drawn
    np.testing.assert_array_equal(first, again)
    assert len({page.tobytes() for page in (first, *others)}) == 4


def test_confusers_are_trained_on_and_never_tested_on(tmp_path: Path) -> None:
    trained, tested, unseen = (
        recipe.negatives(tmp_path, unseen=u, held_out=h) for u, h in ((False, False), (False, True), (True, True))
    )
    assert set(trained) - set(tested) == set(CONFUSERS)
    assert not set(CONFUSERS) & (set(unseen) | recipe.UNSEEN | recipe.ORDINARY | set(DOCUMENTS) | set(LINES))
    assert recipe.PARTS["hard"].only == {"medley", "askew"} | set(CONFUSERS)
    assert all(recipe.inner_class(name) == OUT for name in CONFUSERS)


def test_no_group_of_rules_has_a_staffs_five() -> None:
    assert 5 not in GROUPS
    assert 4 not in HEIGHTS  # boxes one above another, which have a rule more
