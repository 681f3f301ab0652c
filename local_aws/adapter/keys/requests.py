"""KMS's requests, before and after ministack answers them, and its keys in templates."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import iam, kms
from ministack.services.cloudformation import provisioners

from local_aws.adapter.identity.actors import Caller
from local_aws.adapter.identity.identity import caller

Request = dict[str, Any]
Refused = tuple[str, str] | None
_TAG_BYTES = 32


def check_requests(
    before: Callable[[str, Request, Caller], Refused],
    after: Callable[[str, Request, dict[str, Any]], None],
) -> None:
    """Look at every request of KMS's API once IAM has let it pass.

    Args:
        before: Function of (operation, request, caller) that may refuse it with an error's code and
            message, or change it.
        after: Function of (operation, request, result) that may change the result.
    """
    inner = kms.handle_request

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any
    ) -> Any:
        operation = headers.get("x-amz-target", "").partition(".")[2]
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return await inner(method, path, headers, body, query_params)
        refused = before(operation, request, caller(headers))
        if refused is not None:
            return responses.error_response_json(*refused, 400)
        sent = json.dumps(request).encode()
        status, answered, result = await inner(method, path, headers, sent, query_params)
        if status == 200:  # noqa: PLR2004 - HTTP's success
            if request.get("DryRun"):
                return kms._dry_run_error(operation)
            document = json.loads(result)
            after(operation, request, document)
            result = json.dumps(document).encode()
        return status, answered, result

    kms.handle_request = handle_request


def check_templates(
    policy: Callable[[str, bool], Refused], alias: Callable[[str], Refused]
) -> None:
    """Refuse keys and aliases of templates that the API refuses.

    Args:
        policy: Function of (a key policy, whether the lockout check is waived).
        alias: Function of (an alias's target).
    """
    handler = provisioners._RESOURCE_HANDLERS["AWS::KMS::Key"]
    create, update = handler["create"], handler["update"]
    target_of = provisioners._kms_alias_target

    def check(props: Mapping[str, Any]) -> None:
        document = props.get("KeyPolicy")
        if document is not None:
            text = document if isinstance(document, str) else json.dumps(document)
            waived = str(props.get("BypassPolicyLockoutSafetyCheck", "")).lower() == "true"
            _raise(policy(text, waived))

    def create_key(logical_id: str, props: Request, stack_name: str) -> Any:
        check(props)
        return create(logical_id, props, stack_name)

    def update_key(physical_id: str, old: Request, new: Request, stack_name: str) -> Any:
        check(new)
        return update(physical_id, old, new, stack_name)

    def target(reference: str) -> Any:
        _raise(alias(reference))
        return target_of(reference)

    handler.update(create=create_key, update=update_key)
    provisioners._kms_alias_target = target


def _raise(refused: Refused) -> None:
    if refused is not None:
        raise ValueError(f"{refused[1]} (Service: Kms, Error Code: {refused[0]})")


def policy_allows(policy: str, action: str, arn: str) -> bool:
    """Whether a key policy allows whoever makes the current request something."""
    principal = str(iam_evaluator.caller_arn())
    context = iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type="",
        principal_account=str(responses.get_account_id()),
        action=action,
        resource_arn=arn,
        region=str(responses.get_region()),
        service_context={"kms:calleraccount": str(responses.get_account_id())},
    )
    return bool(iam_evaluator.evaluate_resource_policy(policy, context).decision == "Allow")


def principal_exists(arn: str) -> bool:
    """Whether an ARN is that of a user, role, session or account; those of others are not known."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[2] not in ("iam", "sts"):  # noqa: PLR2004 - an ARN's parts
        return False
    kind, _, path = parts[5].partition("/")
    name = path.rpartition("/")[2]
    if parts[4] != responses.get_account_id():
        return False
    found: Mapping[str, Callable[[], bool]] = {
        "root": lambda: True,
        "user": lambda: name in iam._users,
        "role": lambda: name in iam._roles,
        "assumed-role": lambda: path.partition("/")[0] in iam._roles,
        "federated-user": lambda: True,
    }
    return kind in found and found[kind]()


def mac(arn: str, blob: bytes) -> bytes:
    """A tag that only a key's material makes, so that a changed ciphertext is recognized."""
    record = kms._resolve_key(arn) or {}
    return hmac.new(record.get("_symmetric_key", b""), blob, hashlib.sha256).digest()


def is_symmetric(arn: str) -> bool:
    """Whether a key encrypts with material of its own."""
    return "_symmetric_key" in (kms._resolve_key(arn) or {})


def split_mac(blob: bytes) -> tuple[bytes, bytes]:
    """A ciphertext and its tag."""
    return blob[:-_TAG_BYTES], blob[-_TAG_BYTES:]


def managed_by_aws(arn: str) -> bool:
    """Whether a key is AWS's own."""
    return "_manager" in (kms._resolve_key(arn) or {})


def grant_by_token(token: str) -> dict[str, Any] | None:
    """The grant that a token stands for."""
    return next((g for g in list(kms._grants.values()) if token in g["_tokens"]), None)
