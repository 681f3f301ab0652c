"""The quality of scores: what evaluation and monitoring share."""

import os

# As in `pipeline_code.train`: scikit-learn brings the same OpenMP library, and may load it first.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
