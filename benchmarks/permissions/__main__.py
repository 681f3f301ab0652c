"""The proof of permissions: every grant is needed, and every need is granted.

    python -m benchmarks.permissions --json -

Plays the whole loop on an embedded AWS of its own, with every authorization decision recorded, and
holds the templates of all environments against the recording. What was not used and is not
justified in `justified.json` is unexplained; what was used is removed, and each condition changed,
one at a time, upon which a recorded request must be decided otherwise; and what a role did not
need it tries with its own credentials, and must be refused.

JSON: elements, used, justified, unexplained, mutations, killed, forbidden_tried,
forbidden_refused, seconds. The findings themselves go to files in the folder.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app import build_app
from benchmarks.measuring import add_json, show
from benchmarks.permissions import coverage, playing
from benchmarks.permissions.forbidden import Row, matrix
from benchmarks.permissions.page import refreshed
from benchmarks.permissions.recorded import read
from benchmarks.permissions.scheduled import deploy, play_scheduled, take_monitors_away
from local_aws.server import EmbeddedAws
from operations.target import PROJECT_ROOT
from stacks.environments import DEV, ENVIRONMENTS, LOCAL, Environment

PAGE = PROJECT_ROOT / "docs" / "permissions.md"
SCHEDULING = replace(
    LOCAL,
    monitoring=replace(LOCAL.monitoring, engine="scheduled"),
    parity=replace(LOCAL.parity, schedule=DEV.parity.schedule),
)
APPROVING = replace(
    SCHEDULING,
    training=replace(LOCAL.training, approval_status=DEV.training.approval_status),
)
DECISIONS, SCHEDULED = "decisions.jsonl", "scheduled.jsonl"


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where findings are kept; if omitted, nowhere")
    parser.add_argument("--page", action="store_true", help=f"bring {PAGE.name} up to date")
    add_json(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="permissions-") as folder:
        result, rows = prove(arguments.folder or Path(folder))
    if arguments.page:
        PAGE.write_text(refreshed(PAGE.read_text(), rows))
    show(result, arguments.json)


def prove(folder: Path) -> tuple[dict[str, Any], Sequence[Row]]:
    """Play, and judge what was recorded; findings are written into the folder."""
    begun, templates = time.monotonic(), synthesized(folder / "assemblies")
    recordings = folder / SCHEDULED, folder / DECISIONS
    try:
        print("a first model that fails, and pipelines as monitors")
        play_scheduled(folder / "scheduled", (SCHEDULING, APPROVING), folder / SCHEDULED)
        target = playing.play(folder, folder / DECISIONS, print)
        print("trying what is forbidden")
        rows = matrix(target, [each for file in recordings for each in read(file, templates)])
        tried = _tried(rows, dict(playing.unencrypted(target)), folder)
        print("taking everything away")
        deploy(target, LOCAL, folder / "local")
        take_monitors_away(target)
        playing.fraudloop(folder, "destroy", "--yes", "local")
    finally:
        EmbeddedAws(folder / playing.STATE).stop()
    result = judged(recordings, templates, folder) | tried
    return result | {"seconds": round(time.monotonic() - begun)}, rows


def _tried(rows: Sequence[Row], plain: Mapping[str, bool], folder: Path) -> dict[str, int]:
    """How much was tried and refused; what got through is written into the folder."""
    got_through = {row.capability.name: row.got_through for row in rows if row.got_through}
    text = json.dumps(
        got_through | {what: "done" for what, no in plain.items() if not no}, indent=2
    )
    (folder / "got-through.json").write_text(text)
    refused = sum(len(row.refused) for row in rows) + sum(plain.values())
    through = sum(len(row.got_through) for row in rows) + list(plain.values()).count(False)
    return {"forbidden_tried": refused + through, "forbidden_refused": refused}


def judged(files: Sequence[Path], templates: Sequence[Any], folder: Path) -> dict[str, Any]:
    """Coverage and mutations of a recording."""
    elements = coverage.elements(templates)
    recorded, strange = coverage.faithful(
        each for file in files for each in read(file, templates) if each.is_ours
    )
    used = coverage.uses(recorded)
    justified = coverage.justified(elements - used.keys())
    unexplained = elements - used.keys() - justified.keys()
    mutants = [each for each in coverage.mutants(used) if each.element in elements]
    findings = {
        "unexplained": sorted(map(str, unexplained)),
        "alive": sorted(f"{each.change}: {each.element}" for each in mutants if not each.killed),
        "strange": [each.asked for each in strange],
    }
    for name, found in findings.items():
        (folder / f"{name}.json").write_text(json.dumps(found, indent=2, default=str))
    return {
        "elements": len(elements),
        "used": len(elements & used.keys()),
        "justified": len(justified),
        "unexplained": len(unexplained),
        "mutations": len(mutants),
        "killed": sum(each.killed for each in mutants),
    }


def synthesized(folder: Path) -> list[dict[str, Any]]:
    """The templates of every environment and of either engine, by what the CDK calls the stack."""
    others = [each for each in ENVIRONMENTS.values() if each is not LOCAL]
    environments = [LOCAL, SCHEDULING, APPROVING, *others]
    return [_templates(each, folder / str(n)) for n, each in enumerate(environments)]


def _templates(environment: Environment, folder: Path) -> dict[str, Any]:
    build_app(environment, outdir=str(folder)).synth()
    suffix = ".template.json"
    files = folder.glob(f"*{suffix}")
    return {file.name.removesuffix(suffix): json.loads(file.read_text()) for file in files}


if __name__ == "__main__":
    main()
