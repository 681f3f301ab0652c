"""A lineage as a tree for operators: from what serves requests down to what it learned from."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text
from rich.tree import Tree

from operations.console import readable
from operations.models.lineage import Lineage
from pipeline_code.contracts.pipelines import PipelineParameter

__all__ = ["tree"]

_METRICS = ("average_precision", "auc_roc", "card_precision_at_100", "review_threshold")
_MIB = 2**20


def tree(lineage: Lineage, *, all_objects: bool = False) -> Tree:
    """The tree; with `all_objects` it names every object, else the first and the last."""
    package, endpoint = lineage.package, lineage.endpoint
    title = f"model package version {package['version']} ({package['status']})"
    if endpoint is None:
        root = branch = _node(None, title, package["arn"])
    else:
        root = _node(None, f"endpoint {endpoint['name']} ({endpoint['status']})", endpoint["arn"])
        _node(root, "configuration", endpoint["config"])
        branch = _node(_node(root, "model", endpoint["model"]), title, package["arn"])
    _package(branch, package)
    if lineage.execution is None:
        _node(branch, "no pipeline execution", "registered by hand")
    else:
        _execution(branch, lineage, all_objects)
    if lineage.verification is not None:
        _verification(root, lineage.verification)
    return root


def _package(branch: Tree, package: Mapping[str, Any]) -> None:
    metadata = package["metadata"]
    for decision in package["decisions"] or [package["decided"]]:
        if decision is not None:
            text = f"by {decision['by']} at {decision['at']}: {decision['reason']}"
            _node(branch, decision["status"].lower(), text)
    figures = [f"{name} {metadata[name]}" for name in _METRICS if name in metadata]
    _node(branch, "metrics", ", ".join(figures) or "not recorded")
    _node(branch, "model card", package["model_card_status"] or "none")
    sha256 = metadata.get("model_sha256", "not recorded")
    _node(_node(branch, "artifact", package["artifact"] or "none"), "SHA-256", sha256)
    _node(branch, "code revision", package["revision"] or "unknown")
    _node(branch, "image", package["image"] or "none")
    if "train_first_event" in metadata:
        _node(branch, "learned from", _window(metadata, "first_event", "last_event", "train"))
        _node(branch, "tested on", _window(metadata, "start", "end", "test"))


def _window(metadata: Mapping[str, str], first: str, last: str, name: str) -> str:
    rows, frauds = (metadata.get(f"{name}_{what}", "?") for what in ("rows", "frauds"))
    ends = [metadata.get(f"{name}_{end}", "?") for end in (first, last)]
    return f"{' to '.join(ends)}, {rows} rows, {frauds} frauds"


def _execution(branch: Tree, lineage: Lineage, all_objects: bool) -> None:
    execution = lineage.execution or {}
    reason = execution["parameters"].get(PipelineParameter.TRIGGER_REASON, "not told")
    text = f"{execution['arn']}, reason: {reason}"
    node = _node(branch, f"pipeline execution {execution['name']}", text)
    _node(
        node,
        "evidence",
        execution["parameters"].get(PipelineParameter.TRIGGER_EVIDENCE, "not told"),
    )
    _node(node, "started", execution["started"])
    steps = _node(node, "steps", "")
    for step in lineage.steps:
        cached = step["ran_in"] != execution["arn"]
        source = f", cached from {_resource(step['ran_in'])}" if cached else ""
        _node(steps, step["name"], f"{step['status']} {_resource(step['job'])}{source}")
    if lineage.training_job is not None:
        _training(node, lineage.training_job)
    if lineage.feature_job is not None:
        job = _node(node, "feature job", lineage.feature_job["name"])
        _compute(job, lineage.feature_job)
        _settings(job, "arguments", lineage.feature_job["arguments"])
        _sources(job, lineage.sources, all_objects)


def _training(branch: Tree, job: Mapping[str, Any]) -> None:
    node = _node(branch, "training job", job["name"])
    if "tuned_by" in job:
        _node(node, "best of", _resource(job["tuned_by"]))
    _node(node, "started", job["started"])
    _compute(node, job)
    _settings(node, "hyperparameters", job["hyperparameters"])
    _settings(node, "metrics", job["metrics"])
    for name, uri in job["inputs"].items():
        _node(node, f"input {name}", uri)


def _compute(branch: Tree, job: Mapping[str, Any]) -> None:
    _node(branch, "ran on", f"{job['instance_count']} x {job['instance_type']}")
    _node(branch, "image", job["image"])


def _settings(branch: Tree, name: str, values: Mapping[str, Any]) -> None:
    if values:
        _node(branch, name, ", ".join(f"{key}={value}" for key, value in values.items()))


def _sources(branch: Tree, sources: Mapping[str, Any] | None, all_objects: bool) -> None:
    if sources is None:
        _node(branch, "objects", "not recorded")
        return
    text = f"{sources['count']}, {sources['bytes'] / _MIB:.1f} MiB of s3://{sources['bucket']}"
    node = _node(branch, "objects", text)
    for each in _shown(sources["objects"], all_objects):
        _node(node, each["key"], f"version {each['version_id']}")


def _shown(objects: list[dict[str, Any]], all_objects: bool) -> Iterable[dict[str, Any]]:
    return objects if all_objects else [*objects[:1], *objects[1:][-1:]]


def _verification(root: Tree, verification: Mapping[str, Any]) -> None:
    count = verification["objects"]
    told = f"{count} objects and the artifact are there, and the same"
    node = _node(root, "verified", told if verification["passed"] else "problems found")
    for problem in verification["problems"]:
        _node(node, "problem", problem)


def _resource(arn: str) -> str:
    """What an ARN names, without the account, which is the same for all."""
    return arn.rsplit(":", 1)[-1]


def _node(branch: Tree | None, name: str, text: str) -> Tree:
    # Not folded by words: an ARN must be found in one piece wherever the line has room for it.
    told = readable(text)
    told = "" if told in name else told
    label = Text.assemble((name, "bold"), "  " if told else "", told, overflow="fold")
    return Tree(label) if branch is None else branch.add(label)
