"""What every workbench shares: the sandbox, the environments, and what is remembered."""

from collections import OrderedDict
from dataclasses import dataclass, field

from app.domain.ports import Clock, Clone
from workers.checkpoints import snapshot
from workers.checkpoints.baseline import Baselines
from workers.checkpoints.execution import Executor
from workers.checkpoints.install import Environments
from workers.checkpoints.snapshot import Snapshot
from workers.checkpoints.store import Store

_SNAPSHOTS = 50  # base commits that are kept in mind


@dataclass(frozen=True)
class Equipment:
    """The shared parts."""

    executor: Executor
    store: Store
    environments: Environments
    baselines: Baselines
    clock: Clock
    _snapshots: OrderedDict[tuple[int, str], Snapshot] = field(default_factory=OrderedDict)

    async def snapshot(self, clone: Clone, commit: str) -> Snapshot:
        """Return what a commit says of itself."""
        known = self._snapshots.get((id(clone), commit))
        if known is None:
            known = await snapshot.take(clone, commit)
            self._snapshots[id(clone), commit] = known
            while len(self._snapshots) > _SNAPSHOTS:
                self._snapshots.popitem(last=False)
        return known
