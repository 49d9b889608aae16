"""The command `aurora` for an afternoon that takes a minute: a hub has no limit on writes, and comments wait less."""

from functools import partial

import app.storage.pace
import workers.main
from workers.cli import main
from workers.tempo import Tempo

TEMPO = Tempo(reconcile=0.5, overdue=1.0, recover=5.0, show=0.5)

if __name__ == "__main__":
    app.storage.pace.WRITES = ((100_000, 1.0), (1_000_000, 60.0))
    workers.main.work = partial(workers.main.work, tempo=TEMPO)
    main()
