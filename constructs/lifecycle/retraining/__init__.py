"""Stage 6, second half: training again when drift, quality or age call for it."""

from lifecycle.retraining.retraining import Retraining, RetrainingConfig

__all__ = ["Retraining", "RetrainingConfig"]
