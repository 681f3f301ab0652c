"""Actors and their permissions: the caller of a request, a role, or an AWS service itself.

Every decision that ministack does not make of its own accord is asked for here, so that it is made
by one evaluator, with the condition keys that AWS supplies, and recorded with all others.
"""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ministack.core import iam_evaluator, responses
from ministack.services import iam, sts

from local_aws.guesses import Guess, explained, guessed

Keys = Mapping[str, Any]
# Of a service that acts for itself no key tells which principal of an account it is (User Guide,
# "AWS global condition context keys"): it has no ARN, account, user id or tags.
_PRINCIPAL_KEYS = (
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principaltype",
    "aws:userid",
    "aws:username",
)
# When a key that only permissions are asked with was made, and the key, by role and session.
_keys: dict[tuple[str, str], tuple[float, str]] = {}
_KEY_SECONDS = 600
# What else an action takes than the permission: a key of what it is done to.
_needs: dict[str, Callable[["Actor", str], object | None]] = {}


class RoleNotAssumableError(Exception):
    """A service may not assume a role: there is none, or its trust policy does not let it."""


class Actor(Protocol):
    """Somebody whose actions are authorized."""

    @property
    def name(self) -> str:
        """As AWS's refusals name them."""
        ...

    def denied(self, action: str, resource: str, keys: Keys | None = None) -> str | None:
        """Why they may not do something, or None.

        Args:
            action: Such as `kinesis:GetRecords`.
            resource: The ARN of what it is done to; `*` for actions without a resource.
            keys: Condition keys that the service adds: `{"kms:ViaService": ...}`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever made a request.

    Attributes:
        access_key_id: What the request is signed with.
        name: Their ARN.
    """

    access_key_id: str
    name: str

    def denied(self, action: str, resource: str, keys: Keys | None = None) -> str | None:
        """Why they may not do something, or None."""
        denied = _denied(self.access_key_id, self.name, action, resource, keys)
        return denied or _need_refused(self, action, resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A service that acts as a role which it has assumed.

    Attributes:
        arn: The role.
        session: The session's name that AWS would show, such as `SageMaker`.
    """

    arn: str
    session: str

    @property
    def name(self) -> str:
        """The ARN of the session."""
        return session_arn(self.arn, self.session)

    def denied(self, action: str, resource: str, keys: Keys | None = None) -> str | None:
        """Why the role may not do something, or None."""
        made, key = _keys.get((self.arn, self.session), (0.0, ""))
        if time.time() - made > _KEY_SECONDS / 2:
            key = mint(self.arn, self.session, _KEY_SECONDS)["AWS_ACCESS_KEY_ID"]
            _keys[self.arn, self.session] = (time.time(), key)
        # Services call each other over TLS, also where no request is served.
        token = iam_evaluator._request_origin.set(("127.0.0.1", True))
        try:
            denied = _denied(key, self.name, action, resource, keys)
        finally:
            iam_evaluator._request_origin.reset(token)
        return denied or _need_refused(self, action, resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An AWS service that acts as itself: resource policies alone decide.

    Attributes:
        name: The service principal, such as `events.amazonaws.com`.
        source_arn: The resource that it acts for, as `aws:SourceArn`; None where AWS supplies none.
        source_account: Its account, as `aws:SourceAccount`; None where AWS supplies none.
        external_id: What a service that assumes roles with one gives as `sts:ExternalId`.
        guess: What no document says of its keys; refusals say so.
    """

    name: str
    source_arn: str | None = None
    source_account: str | None = None
    external_id: str | None = None
    guess: Guess | None = None

    def denied(self, action: str, resource: str, keys: Keys | None = None) -> str | None:
        """Why the resource's policy does not let the service do something, or None."""
        found = iam_evaluator._resource_policy(action.partition(":")[0], resource)
        policy = found[0] if found is not None else None
        if self._decision(policy, action, resource, keys) == "Allow":
            return _need_refused(self, action, resource)
        words = (
            f"User: {self.name} is not authorized to perform: {action} on resource: {resource} "
            "because no resource-based policy allows the action"
        )
        return guessed(words, *filter(None, [self.guess]))

    def not_trusted(self, role_arn: str) -> str | None:
        """Why the service may not assume a role, or None."""
        role = iam._roles.get(role_arn.rpartition("/")[2])
        if role is None or role["Arn"] != role_arn:
            return f"the role {role_arn} does not exist"
        policy = role["AssumeRolePolicyDocument"]
        if self._decision(policy, "sts:AssumeRole", role_arn, None) == "Allow":
            return None
        return f"the trust policy of {role_arn} does not allow principal '{self.name}' to assume it"

    def assume(self, role_arn: str, session: str, seconds: int = 3600) -> dict[str, str]:
        """Environment variables with credentials of a role, as the service assumes it.

        Raises:
            RoleNotAssumableError: If there is no such role or it does not trust the service.
        """
        if (reason := self.not_trusted(role_arn)) is not None:
            raise RoleNotAssumableError(reason)
        return mint(role_arn, session, seconds)

    def _decision(self, policy: Any, action: str, resource: str, keys: Keys | None) -> str:
        # A queue without a policy has an empty one.
        document = json.loads(policy or "{}") if isinstance(policy, str) else policy
        context = iam_evaluator.EvalContext(
            principal_arn="",
            principal_type="Service",
            principal_account=str(responses.get_account_id()),
            action=action,
            resource_arn=resource,
            region=str(responses.get_region()),
            secure_transport=True,
            service_context=self._context(keys),
            principal_keys=dict.fromkeys(_PRINCIPAL_KEYS),
        )
        result = iam_evaluator.evaluate_resource_policy(document, context, service=self.name)
        return str(result.decision)

    def _context(self, keys: Keys | None) -> dict[str, Any]:
        own = {
            "aws:SourceArn": self.source_arn,
            "aws:SourceAccount": self.source_account,
            "sts:ExternalId": self.external_id,
            "aws:PrincipalIsAWSService": "true",
            "aws:PrincipalServiceName": self.name,
        }
        named = {**own, **(keys or {})}
        return {key.lower(): value for key, value in named.items() if value is not None}


def also_needs(action: str, refusal: Callable[[Actor, str], object | None]) -> None:
    """Have an action take more than its permission.

    Args:
        action: Such as `sqs:SendMessage`.
        refusal: Function of (actor, resource) that gives what says why not, or None.
    """
    _needs[action] = refusal


def _need_refused(actor: Actor, action: str, resource: str) -> str | None:
    refused = _needs[action](actor, resource) if action in _needs else None
    return None if refused is None else str(refused)


def tell_services_apart() -> None:
    """Have the evaluator know no principal's keys of a service that acts as itself."""
    inner = iam_evaluator._resolve_condition_key

    def resolve(key: str, context: Any) -> Any:
        if context.principal_type == "Service" and key.lower() in _PRINCIPAL_KEYS:
            return None
        return inner(key, context)

    iam_evaluator._resolve_condition_key = resolve


def mint(role_arn: str, session: str, seconds: int) -> dict[str, str]:
    """Environment variables with new credentials of a role, whoever it trusts."""
    key = "ASIA" + secrets.token_hex(8).upper()
    secret, token = secrets.token_urlsafe(30), secrets.token_urlsafe(64)
    sts.register_session(
        key,
        {
            "Arn": session_arn(role_arn, session),
            "UserId": f"{role_arn.rpartition('/')[2]}:{session}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + seconds,
        },
    )
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": token,
    }


def session_arn(role_arn: str, session: str) -> str:
    """The ARN of a role's session."""
    account, role = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    return f"arn:aws:sts::{account}:assumed-role/{role}/{session}"


def _denied(
    access_key_id: str, name: str, action: str, resource: str, keys: Keys | None
) -> str | None:
    service, region = action.partition(":")[0], responses.get_region()
    found = iam_evaluator.enforce(
        access_key_id, action, service, region, resource, dict(keys or {})
    )
    if found is None:
        return None
    refused = f"User: {name} is not authorized to perform: {action} on resource: {resource}"
    return explained(f"{refused} {_because(found, action)}")


def _because(found: Any, action: str) -> str:
    """The end of AWS's words for a denial."""
    if getattr(found, "decision", "") == "Deny":
        kind = "a resource-based" if found.resource_policy_arn else "an identity-based"
        return f"with an explicit deny in {kind} policy"
    return f"because no identity-based policy allows the {action} action"
