"""All that touches ministack's internals; everything else in `local_aws` goes through here.

ministack has no plug-in interface, so extending it means reaching into its modules. Every name
that is used is listed in `internals.txt` and checked at start-up, which is why the version is
pinned exactly. ministack reads its settings when it is imported: set the environment first.
"""

from local_aws.adapter.bounds import keep_memory_flat
from local_aws.adapter.builds import after_build, keep_logs, project_role, start_builds_once
from local_aws.adapter.cloudformation.stacks import (
    note_failed_creation,
    physical_name,
    refuse_named_replacements,
    register_resource,
    resource_types,
    roll_back_failed_creations,
)
from local_aws.adapter.cloudformation.templates import evaluate_conditions
from local_aws.adapter.compatibility import IncompatibleEmulatorError, check_compatibility
from local_aws.adapter.events import emit_event, set_schedule_interval
from local_aws.adapter.functions.functions import (
    keep_workers_that_raise,
    let_lambda_pull,
    repository_exists,
    run_image_functions,
)
from local_aws.adapter.functions.workers import WorkerStart, start_workers_by
from local_aws.adapter.identity.actors import (
    Actor,
    Caller,
    Role,
    RoleNotAssumableError,
    Service,
    mint,
    tell_services_apart,
)
from local_aws.adapter.identity.credentials import SECONDS as CREDENTIAL_SECONDS
from local_aws.adapter.identity.credentials import serve_credentials, withdraw_credentials
from local_aws.adapter.identity.decisions import record_decisions
from local_aws.adapter.identity.evaluation import evaluate_as_documented
from local_aws.adapter.identity.identity import (
    accept_loopback_as_secure,
    caller,
    caller_identity,
    current_account,
    current_region,
    enrol_operator,
    list_as_documented,
    parse_policies_once,
    pass_role_denied,
    request_scope,
    tls_version,
)
from local_aws.adapter.lifecycle import (
    every,
    on_shutdown,
    on_start,
    on_stop_requested,
    save_state,
    serve,
)
from local_aws.adapter.notifications import ask_resource_policies
from local_aws.adapter.services import (
    Reply,
    own_services,
    register_condition_keys,
    register_resource_arn,
    register_service,
    run_blocking,
)
from local_aws.adapter.storage import (
    check_read,
    get_object,
    has_object,
    list_objects,
    object_file,
    objects_folder,
    put_object,
)

__all__ = [
    "CREDENTIAL_SECONDS",
    "Actor",
    "Caller",
    "IncompatibleEmulatorError",
    "Reply",
    "Role",
    "RoleNotAssumableError",
    "Service",
    "WorkerStart",
    "accept_loopback_as_secure",
    "after_build",
    "ask_resource_policies",
    "caller",
    "caller_identity",
    "check_compatibility",
    "check_read",
    "current_account",
    "current_region",
    "emit_event",
    "enrol_operator",
    "evaluate_as_documented",
    "evaluate_conditions",
    "every",
    "get_object",
    "has_object",
    "keep_logs",
    "keep_memory_flat",
    "keep_workers_that_raise",
    "let_lambda_pull",
    "list_as_documented",
    "list_objects",
    "mint",
    "note_failed_creation",
    "object_file",
    "objects_folder",
    "on_shutdown",
    "on_start",
    "on_stop_requested",
    "own_services",
    "parse_policies_once",
    "pass_role_denied",
    "physical_name",
    "project_role",
    "put_object",
    "record_decisions",
    "refuse_named_replacements",
    "register_condition_keys",
    "register_resource",
    "register_resource_arn",
    "register_service",
    "repository_exists",
    "request_scope",
    "resource_types",
    "roll_back_failed_creations",
    "run_blocking",
    "run_image_functions",
    "save_state",
    "serve",
    "serve_credentials",
    "set_schedule_interval",
    "start_builds_once",
    "start_workers_by",
    "tell_services_apart",
    "tls_version",
    "withdraw_credentials",
]
