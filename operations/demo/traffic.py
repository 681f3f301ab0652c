"""Requests that never stop while a model is being replaced."""

import itertools
import threading
from typing import Any

from operations.scoring import Scored, Scorer
from operations.target import Target


class Traffic:
    """Asks the endpoint in the background, over and over, and counts what came of it."""

    def __init__(self, target: Target, requests: list[dict[str, Any]]) -> None:
        self._scorer = Scorer(target)
        self._requests = itertools.cycle(requests)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True, name="traffic")
        self.scored = Scored()

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            self.scored.merge(self._scorer.ask_all([next(self._requests)]))
