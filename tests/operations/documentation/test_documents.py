"""Documents lead to what exists, and everything written is led to."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.target import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs"
DECISIONS = sorted((DOCS / "adr").glob("[0-9]*.md"))
INSTALLED = {".venv", "node_modules", "build", "cdk.out", ".fraudloop", ".git"}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def written(*suffixes: str) -> Iterator[Path]:
    for folder in (PROJECT_ROOT, *PROJECT_ROOT.iterdir()):
        if folder.is_dir() and folder.name not in INSTALLED:
            found = folder.glob("*") if folder == PROJECT_ROOT else folder.rglob("*")
            yield from (path for path in found if path.suffix in suffixes)


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def links(page: Path) -> list[str]:
    return [link for link in LINK.findall(FENCE.sub("", text(page))) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """What a heading is called by GitHub: lower case, hyphens for spaces, no punctuation."""
    headings = HEADING.findall(FENCE.sub("", text(page)))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


PAGES = sorted(written(".md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_no_link_is_dead(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


def test_every_document_is_in_the_index() -> None:
    index = DOCS / "README.md"
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in links(index)}
    own = {path for path in DOCS.glob("*") if path.is_file()} - {index}
    assert own - listed == set(), "add a line to docs/README.md"


def test_the_glossary_says_where_a_name_is_defined() -> None:
    glossary = DOCS / "glossary.md"
    defined = re.findall(r"`(\w+)` in \[[^\]]+\]\(([^)]+)\)", text(glossary))
    assert len(defined) > len(re.findall("^## ", text(glossary), re.MULTILINE))
    for name, file in defined:
        source = text((DOCS / file).resolve())
        assert re.search(
            rf"^\s*(class|def) {name}\b|^\s*{name}\b[^=\n]* = ", source, re.MULTILINE
        ), f"{name} is not defined in {file}"


def test_decisions_are_numbered_without_holes() -> None:
    numbers = [int(page.name[:4]) for page in DECISIONS]
    assert numbers == [*range(1, len(numbers) + 1)], "a new decision takes the next number"


def test_decisions_are_called_by_numbers_that_exist() -> None:
    known = {page.name[:4] for page in DECISIONS}
    for path in written(".md", ".py", ".toml", ".sh"):
        called = set(re.findall(r"ADR (\d{4})", text(path)))
        assert called <= known, f"{path}: no decision has the number {called - known}"


def test_owners_are_of_what_exists() -> None:
    lines = text(PROJECT_ROOT / ".github" / "CODEOWNERS").splitlines()
    owned = [line.split()[0] for line in lines if line.startswith("/")]
    assert owned
    assert [path for path in owned if not (PROJECT_ROOT / path[1:]).exists()] == []
