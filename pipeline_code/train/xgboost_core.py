"""XGBoost without its classes for scikit-learn, which are not used here.

They import all of scikit-learn, SciPy's statistics and pandas: a second of CPU and 130 MiB more in
every process that scores.
"""

import sys
from typing import Any, cast

__all__ = ["xgboost"]

_modules = cast(dict[str, Any], sys.modules)
_hidden = "sklearn" not in _modules
if _hidden:
    _modules["sklearn"] = None  # as if it were not installed, which XGBoost allows for
try:
    import xgboost
finally:
    if _hidden:
        del _modules["sklearn"]
