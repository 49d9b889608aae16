"""How often a worker looks, and how long it waits: in one place, so that tests can live faster."""

from dataclasses import dataclass

from app.storage.leases import BEAT, TTL


@dataclass(frozen=True)
class Tempo:
    """All in seconds."""

    reconcile: float = 3.0  # between looks for what nobody handles
    overdue: float = 2.0  # after which a ring counts as lost
    recover: float = 300.0  # between looks for what GitHub could not bring
    retain: float = 3600.0  # between removals of what was kept for long enough
    drain: float = 20.0  # that running jobs get to reach a saved point after SIGTERM
    last: float = 5.0  # that they get to clean up after that, before the process ends whatever they do
    lease: float = TTL  # without a beat, after which a holder counts as dead
    beat: float = BEAT  # between beats
    show: float = 5.0  # from one edit of a progress comment to the next, at least
    stuck: float = 7200.0  # without a row written, after which what is held is ended; what waits so long is told of


TEMPO = Tempo()
