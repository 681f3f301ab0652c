"""The members of requests and templates that name keys."""

from collections.abc import Iterator, Mapping
from typing import Any

# Members that do not say that they name a key of KMS, by what they are members of; "" is anything.
_KEYS = {
    "keyid": ("streamencryption",),
    "keyarn": ("deliverystreamencryptionconfigurationinput",),
    "encryptionkey": ("",),
}


def named(request: Any, within: str = "") -> Iterator[str]:
    """The keys that a request or a template's properties name, wherever they are.

    Args:
        request: The request, or a part of it.
        within: The member that a part is of.
    """
    if isinstance(request, Mapping):
        for name, value in request.items():
            if isinstance(value, str) and value and _is_key(name.lower(), within.lower()):
                yield value
            else:
                yield from named(value, name)
    elif isinstance(request, list):
        for value in request:
            yield from named(value, within)


def _is_key(name: str, within: str) -> bool:
    if within in _KEYS.get(name, ()) or "" in _KEYS.get(name, ()):
        return True
    return "kms" in name and name.endswith(("key", "keyid", "keyarn", "keyidentifier"))
