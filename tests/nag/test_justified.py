"""What `python -m benchmarks.permissions` takes on AWS's word, which the loop cannot show."""

from fnmatch import fnmatchcase

from benchmarks.permissions import coverage
from stacks.environments import ENVIRONMENTS

from .conftest import Synthesized

MOST_PERCENT = 5


def test_every_reason_is_of_something_and_names_its_document(synthesized: Synthesized) -> None:
    elements = coverage.elements([synthesized.templates(name) for name in ENVIRONMENTS])
    for reason in coverage.reasons():
        assert reason["document"]
        assert reason["says"]
        for pattern in reason["elements"]:
            assert any(fnmatchcase(str(each), pattern) for each in elements), pattern
    found = coverage.justified(elements)
    assert len(found) * 100 <= len(elements) * MOST_PERCENT, sorted(map(str, found))
