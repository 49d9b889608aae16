"""The command `aurora` with a worker that lives faster: `QUICK` holds what differs, as JSON."""

import json
import os
from functools import partial

import workers.main
from workers.cli import main
from workers.tempo import Tempo

TEMPO = {
    "reconcile": 0.2,
    "overdue": 0.3,
    "recover": 5.0,
    "drain": 2.0,
    "last": 3.0,
    "lease": 1.5,
    "beat": 0.3,
    "show": 0.0,
}

if __name__ == "__main__":
    tempo = Tempo(**{**TEMPO, **json.loads(os.environ.get("QUICK", "{}"))})
    workers.main.work = partial(workers.main.work, tempo=tempo)
    main()
