"""Directories that commands may write to: gone when they are given back, and when whoever had them is gone."""

from workers.checkpoints.execution import Executor
from workers.sandbox.detect import Refusal


async def test_what_a_dead_worker_left_behind_is_cleared_away_and_what_a_living_one_uses_is_not(tmp_path):
    left = tmp_path / "tmpdead"
    (left / "report").mkdir(parents=True)
    sandbox = Refusal("nothing is run here")
    async with Executor(sandbox, tmp_path).scratch() as used:
        assert not left.exists()
        async with Executor(sandbox, tmp_path).scratch() as another:
            assert set(tmp_path.iterdir()) == {used, another}
    assert list(tmp_path.iterdir()) == []
