"""Fits one model on a window of feature rows; the entry point `train`."""

import os

# OpenMP's threads wait by spinning, which is several times slower as soon as another process (the
# baseline job beside the training, say) wants a core. Read once, when XGBoost is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
