"""Who may import whom: the folders at the root, the contracts, and no circle."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What each folder may import of the project beside itself.
ALLOWED = {
    "constructs": {"pipeline_code"},
    "local_aws": set(),
    # The embedded AWS is a place where verbs act.
    "operations": {"local_aws", "pipeline_code"},
    "pipeline_code": set(),
    "stacks": {"constructs", "pipeline_code"},
}
# Containers of the embedded AWS see this machine's compiled kernels.
SHARED = Path("pipeline_code/common/kernel_cache.py")
# Imports begin in one of these; a Lambda ships the last one.
ROOTS = (Path(), Path("constructs"), Path("pipeline_code/lambdas"))
# Services of the embedded AWS that use each other's. One fewer is welcome.
KNOWN_CIRCLE = {f"local_aws/{name}" for name in ("keys", "policies", "sagemaker", "streams")}


@cache
def modules() -> dict[str, Path]:
    """Every module of the folders, by each name that it can be imported by."""
    files = [path.relative_to(ROOT) for top in ALLOWED for path in (ROOT / top).rglob("*.py")]
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files
        for root in ROOTS
        if path.is_relative_to(root)
    }


def imported(node: ast.AST) -> Iterator[str]:
    """What a module imports when it runs; not what only type checkers read."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        names = (f"{node.module}.{alias.name}" for alias in node.names)
        yield from (name if name in modules() else str(node.module) for name in names)
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


@cache
def imports() -> dict[Path, set[Path]]:
    """The project's files that each file imports."""
    return {
        path: {modules()[name] for name in names if name in modules()} - {path}
        for path in modules().values()
        for names in [set(imported(ast.parse((ROOT / path).read_text())))]
    }


def test_a_folder_imports_only_what_it_may() -> None:
    assert len(imports()) > 500
    wrong = [
        f"{one} imports {other}"
        for one, others in imports().items()
        for other in others
        if other.parts[0] not in ALLOWED[one.parts[0]] | {one.parts[0]} and other != SHARED
    ]
    assert not wrong


def test_the_contracts_import_the_standard_library_and_themselves() -> None:
    for path in (ROOT / "pipeline_code" / "contracts").glob("*.py"):
        for name in imported(ast.parse(path.read_text())):
            is_own = name.startswith("pipeline_code.contracts.")
            assert is_own or name.partition(".")[0] in sys.stdlib_module_names, path


def test_no_files_import_each_other_in_a_circle() -> None:
    TopologicalSorter(imports()).prepare()


def test_no_folders_import_each_other_in_a_circle() -> None:
    graph = defaultdict(set)
    for one, others in imports().items():
        for other in others:
            this, that = (_folder(path) for path in (one, other))
            # A folder and one within it are one subject.
            if not f"{this}/".startswith(f"{that}/") and not f"{that}/".startswith(f"{this}/"):
                graph[this].add(that)
    TopologicalSorter(graph).prepare()


def _folder(file: Path) -> str:
    folder = file.parent.as_posix()
    return "local_aws/keys" if folder in KNOWN_CIRCLE else folder
