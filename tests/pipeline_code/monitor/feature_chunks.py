"""Feature rows as the readers give them to the analyses."""

import numpy as np
import pyarrow as pa

from pipeline_code.captures.chunks import Chunk
from pipeline_code.features.definitions import FEATURE_NAMES


def chunk_of(rows: pa.Table) -> Chunk:
    values = np.stack([rows[name].to_numpy().astype(np.float64) for name in FEATURE_NAMES])
    return Chunk(FEATURE_NAMES, values, *np.zeros((2, len(values)), np.int64))
