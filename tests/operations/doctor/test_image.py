"""The image's base is looked for in its registry, as Docker's clients do."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from operations.doctor.checks import Check, Outcome
from operations.doctor.image import image_base
from operations.target import Target
from tests.operations.doctor.assemblies import write

TOKEN = "for-anybody"
BUILD = {"Build": {"Type": "AWS::CodeBuild::Project"}}


class Registry(BaseHTTPRequestHandler):
    """A registry that wants a token, and has one image."""

    def do_HEAD(self) -> None:
        host = self.headers["Host"]
        if "busy" in self.path:
            self._answer(HTTPStatus.TOO_MANY_REQUESTS)
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            challenge = f'Bearer realm="http://{host}/token",service="here",scope="pull"'
            self._answer(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": challenge})
        elif self.path in ("/v2/library/python/manifests/3.13", "/v2/one/manifests/sha256:ab"):
            self._answer(HTTPStatus.OK)
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def do_GET(self) -> None:
        known = self.path == "/token?service=here&scope=pull"
        self._answer(HTTPStatus.OK, body=f'{{"token": "{TOKEN if known else "wrong"}"}}'.encode())

    def log_message(self, *_: object) -> None:
        pass

    def _answer(
        self, status: HTTPStatus, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def look(target_with: Callable[..., Target], tmp_path: Path) -> Callable[[str], list[Check]]:
    """look(image): what is said of a Dockerfile with that base."""
    target, assembly = target_with(), write(tmp_path, BUILD)

    def run(image: str) -> list[Check]:
        file = tmp_path / "Dockerfile"
        file.write_text(f"# An image.\nARG BASE_IMAGE={image}\nFROM ${{BASE_IMAGE}}\n")
        return list(image_base(target, assembly, file))

    return run


Look = Callable[[str], list[Check]]


@pytest.mark.parametrize(
    ("image", "outcome"),
    [
        ("library/python:3.13", Outcome.OK),
        ("one:3@sha256:ab", Outcome.OK),
        ("library/python:3.12", Outcome.REFUSED),
        ("busy:1", Outcome.UNKNOWN),
    ],
)
def test_the_registry_is_asked(image: str, outcome: Outcome, registry: str, look: Look) -> None:
    (found,) = look(f"{registry}/{image}")
    assert found.outcome is outcome
    assert bool(found.advice) == (outcome is not Outcome.OK)


def test_a_registry_that_cannot_be_reached_tells_nothing(look: Look) -> None:
    (found,) = look("127.0.0.1:9/library/python:3.13")
    assert (found.outcome, found.found[:11]) == (Outcome.UNKNOWN, "127.0.0.1:9")


def test_without_a_build_no_base_is_needed(
    target_with: Callable[..., Target], tmp_path: Path
) -> None:
    assert not list(image_base(target_with(), write(tmp_path, {})))


def test_the_embedded_aws_pulls_nothing(target_with: Callable[..., Target], tmp_path: Path) -> None:
    target = replace(target_with(), is_embedded=True)
    (found,) = image_base(target, write(tmp_path, BUILD))
    assert found.outcome is Outcome.OK
    assert "public.ecr.aws/" in found.needed
