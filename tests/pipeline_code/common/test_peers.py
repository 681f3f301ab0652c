"""What a job's hosts know of each other."""

import pytest

from pipeline_code.common.peers import address_of


def test_a_name_without_an_address_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"nobody\.invalid must have an address, got none"):
        address_of("nobody.invalid", 0)


def test_this_host_has_one() -> None:
    assert address_of("localhost", 0) == "127.0.0.1"
