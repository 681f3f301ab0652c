"""The archive that SageMaker makes of a trained model's files, `model.tar.gz`."""

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline_code.common.exits import BadInput
from pipeline_code.common.model_digest import require_digest
from pipeline_code.train.model import Model

__all__ = ["MODEL_ARCHIVE", "load_archive", "unpacked"]

MODEL_ARCHIVE = "model.tar.gz"


def load_archive(archive: Path, digest: str) -> Model:
    """Loads the model inside a model.tar.gz, if its files have a digest.

    Raises:
        BadInput: They have another, or are no model.
    """
    with unpacked(archive) as folder:
        require_digest(folder, digest)
        return Model.load(folder)


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """A folder with the files of a model.tar.gz, for a while."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(archive) as tar:
                # The filter refuses absolute paths, links out of the folder and devices.
                tar.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise BadInput(
                f"{archive.name} must be a tar archive of a model, "
                f"got {archive.stat().st_size} bytes that are none"
            ) from error
        yield Path(folder)
