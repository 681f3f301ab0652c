"""Cloud assemblies of a stack or two, written by hand."""

import json
from pathlib import Path
from typing import Any


def write(
    folder: Path,
    resources: dict[str, Any],
    *,
    stack: str = "fraudloop-none",
    bootstrap: str = "/cdk-bootstrap/hnb659fds/version",
    version: int = 6,
) -> Path:
    """An assembly with one stack of these resources."""
    properties = {
        "stackName": stack,
        "templateFile": "One.template.json",
        "requiresBootstrapStackVersion": version,
        "bootstrapStackVersionSsmParameter": bootstrap,
    }
    artifacts = {
        "One": {"type": "aws:cloudformation:stack", "properties": properties},
        "Tree": {"type": "cdk:tree", "properties": {"file": "tree.json"}},
    }
    (folder / "manifest.json").write_text(json.dumps({"version": "1", "artifacts": artifacts}))
    (folder / "One.template.json").write_text(json.dumps({"Resources": resources}))
    return folder
