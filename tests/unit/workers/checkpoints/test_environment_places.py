"""A build has a directory of its own: whoever stands still in one may wake up and go on writing."""

import os

from workers.checkpoints.install import _take


def test_a_build_that_died_is_built_over_and_one_that_stands_still_is_left_alone(tmp_path):
    (tmp_path / "digest" / "venv").mkdir(parents=True)
    place, held = _take(tmp_path / "digest")
    assert (place, list(place.iterdir())) == (tmp_path / "digest", [])
    other, also_held = _take(tmp_path / "digest")
    assert other == tmp_path / "digest.2"
    os.close(held)
    os.close(also_held)
