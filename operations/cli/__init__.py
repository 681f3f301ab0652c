"""The `fraudloop` command: one module of verbs for each thing they act on."""

from operations.cli import (
    data,
    demo,
    deployment,
    embedded,
    ingest,
    model,
    models,
    monitoring,
    parity,
    quality,
    retraining,
    serving,
    shadow,
)
from operations.cli.verbs import app

__all__ = ["app", "main"]

# In the order in which a new user needs them, which is the order `--help` shows.
for module in (
    embedded,
    deployment,
    data,
    ingest,
    model,
    models,
    serving,
    shadow,
    monitoring,
    retraining,
    quality,
    parity,
    demo,
):
    module.register(app)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="fraudloop")
