"""Stage 3: the pipeline that checks, trains, evaluates and registers."""

from lifecycle.training.config import TrainingConfig
from lifecycle.training.model_gate import GateConfig
from lifecycle.training.pipeline import TrainingPipeline

__all__ = ["GateConfig", "TrainingConfig", "TrainingPipeline"]
