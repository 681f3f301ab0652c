"""Reusable constructs: one capability of the fraud-detection lifecycle a module."""

import os
import sys
from pathlib import Path

# jsii starts `node` when aws_cdk is imported. The project's own sits beside the interpreter, and a
# fresh machine has no other: where a program starts, `import lifecycle` precedes `import aws_cdk`.
_NODE = Path(sys.executable).with_name("node")
if _NODE.exists():
    os.environ.setdefault("JSII_NODE", str(_NODE))
