"""The base of the container image, which CodeBuild pulls from a public registry."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import urllib3

from operations.deployment.assembly import resources
from operations.doctor.checks import Check, Outcome
from operations.target import PROJECT_ROOT, Target

__all__ = ["image_base"]

_DOCKERFILE = PROJECT_ROOT / "pipeline_code" / "Dockerfile"
_BUILD = "AWS::CodeBuild::Project"
_BASE = re.compile(r"^ARG BASE_IMAGE=(?P<host>[^/\s]+)/(?P<name>[^:@\s]+)(?P<reference>\S+)", re.M)
_TIMEOUT_SECONDS = 5.0
# What a registry may answer with: OCI's and Docker's lists of platforms, and single manifests.
_MANIFESTS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)
_CHALLENGE = re.compile(r'(realm|service|scope)="([^"]*)"')


def image_base(target: Target, assembly: Path, dockerfile: Path = _DOCKERFILE) -> Iterator[Check]:
    """Whether the registry has the base image, as it looks from here."""
    found = _BASE.search(dockerfile.read_text(encoding="utf-8"))
    if found is None or not resources(assembly, _BUILD):
        return
    image = f"{found['host']}/{found['name']}{found['reference']}"
    if target.is_embedded:
        yield Check(
            subject="image's base",
            outcome=Outcome.OK,
            found="the embedded AWS builds no image",
            needed=image,
        )
        return
    reference = found["reference"].partition("@")[2] or found["reference"].removeprefix(":")
    outcome, what = _ask(found["host"], found["name"], reference)
    yield Check(
        subject="image's base",
        outcome=outcome,
        found=what,
        needed=image,
        advice="" if outcome is Outcome.OK else _ADVICE[outcome],
    )


_ADVICE = {
    Outcome.REFUSED: "name one that is there in pipeline_code/Dockerfile: `make lock` looks it up",
    Outcome.UNKNOWN: "CodeBuild pulls it from inside AWS; it may reach what this machine does not",
}


def _ask(host: str, name: str, reference: str) -> tuple[Outcome, str]:
    """Ask for the image's manifest, as the OCI distribution specification has it."""
    # As Docker does: of a registry on this machine, no certificate is asked for.
    scheme = "http" if host.startswith("127.0.0.1") else "https"
    url = f"{scheme}://{host}/v2/{name}/manifests/{reference}"
    with urllib3.PoolManager(timeout=_TIMEOUT_SECONDS, retries=False) as http:
        try:
            answer = http.request("HEAD", url, headers={"Accept": _MANIFESTS})
            if answer.status == HTTPStatus.UNAUTHORIZED:
                token = _token(http, answer.headers["WWW-Authenticate"])
                headers = {"Accept": _MANIFESTS, "Authorization": f"Bearer {token}"}
                answer = http.request("HEAD", url, headers=headers)
        except (KeyError, ValueError, urllib3.exceptions.HTTPError) as error:
            return Outcome.UNKNOWN, f"{host} cannot be asked from here: {type(error).__name__}"
    if answer.status == HTTPStatus.OK:
        return Outcome.OK, f"{host} has it"
    is_gone = answer.status == HTTPStatus.NOT_FOUND
    outcome = Outcome.REFUSED if is_gone else Outcome.UNKNOWN
    return outcome, f"{host} answers {answer.status}"


def _token(http: urllib3.PoolManager, challenge: str) -> str:
    """The token that a registry gives to anybody, where its challenge says."""
    asked = dict(_CHALLENGE.findall(challenge))
    fields = {name: value for name, value in asked.items() if name != "realm"}
    answer = http.request("GET", asked["realm"], fields=fields).json()
    return str(answer.get("token") or answer["access_token"])
