"""Start-up check: does this ministack still have the internals that the adapter uses?"""

import importlib
import importlib.metadata
import inspect
from collections.abc import Iterable

PINNED_VERSION = "1.5.33"

# ruff: noqa: E501 - a signature stays on one line
# One internal a line: module, name and, for what is called or replaced, its parameters in order.
INTERNALS = """
app.AUTH
app.SERVICE_HANDLERS
app.SERVICE_REGISTRY
app._build_persistence_save_dict()
app._decompress_request_body(body, headers)
app._dispatch_service_request(method, path, headers, body, query_params, request_id)
app._enforce_data_plane(service, iam_action, headers, query_params, request_id, resource_arn, service_context, auth_error_response, named_resource)
app._handle_post_body_shortcuts(method, path, headers, body, query_params, request_id)
app._handle_pre_body_request(method, path, headers, query_params, request_id)
app._handle_special_data_plane_request(method, path, headers, body, query_params, request_id, raw_path, raw_query_string, client_ip)
app._lazy_handler(module_name)
app._loaded_modules
app._routing_params(method, path, headers, body, query_params)
app._state_map
app.app(scope, receive, send)
app.detect_service(method, path, headers, query_params)
app.pin_request_origin(source_ip, secure_transport)
app.save_all(services)
core.concurrency.run_reentrant(fn, *args, thread_name)
core.concurrency.spawn_background(fn, *args, thread_name, **kwargs)
core.iam_actions.SERVICE_TO_IAM_NAMESPACE
core.iam_actions._BOTOCORE_SERVICE_MAP
core.iam_actions._load_botocore_model(botocore_service)
core.iam_actions.access_denied_response(service, action, principal_arn, request_id, error_code, message, headers, resource_arn, explicit_deny, resource_policy_arn)
core.iam_actions.extract_iam_action(service, method, path, headers, body, query_params)
core.iam_actions.extract_resource_arn(service, method, path, headers, body, query_params, region, account_id)
core.iam_actions.request_tag_context(service, iam_action, body, params)
core.iam_evaluator.EvalContext
core.iam_evaluator._names_caller(principal, caller_arn)
core.iam_evaluator._resolve_condition_key(key, ctx)
core.iam_evaluator._resource_policy(service, resource_arn)
core.iam_evaluator.caller_arn()
core.iam_evaluator.evaluate(ctx, policies, *limits)
core.iam_evaluator._CONDITION_OPS
core.iam_evaluator._NEGATED_OPS
core.iam_evaluator._action_matches(request_action, actions, not_actions)
core.iam_evaluator._conditions_met(conditions, ctx)
core.iam_evaluator._evaluate_single_condition(operator, actual, expected_values)
core.iam_evaluator._first_match(ctx, stmts, effect)
core.iam_evaluator._principal_matches(principal, caller_arn)
core.iam_evaluator._served_unsigned(service, iam_action)
core.iam_evaluator.enforce(access_key_id, iam_action, service, region, resource_arn, service_context)
core.iam_evaluator.evaluate_trust_policy(trust_doc, caller_arn, ctx)
core.iam_evaluator.parse_policy_document(doc)
core.iam_evaluator.evaluate_resource_policy(doc, ctx, service, named_only, direct_only)
core.iam_evaluator.is_root_access_key(access_key_id)
core.iam_evaluator.resolve_credential(access_key_id, account_id, session_token)
core.iam_evaluator.resolve_principal(access_key_id, account_id, credential)
core.iam_evaluator.request_caller_arn(headers, query_params)
core.lambda_runtime.Worker
core.iam_evaluator._request_origin
core.lambda_runtime._PYTHON_WORKER_SCRIPT
core.lambda_runtime.subprocess
core.persistence.PERSIST_STATE
core.persistence.STATE_DIR
core.persistence._json_default(obj)
core.persistence._state_format_version(service)
core.responses.error_response_json(code, message, status, extra, message_key, content_type)
core.responses.get_account_id()
core.responses.get_region()
core.responses.json_response(data, status, content_type)
core.responses.request_scope(account_id, region)
core.router.SERVICE_PATTERNS
core.router.detect_service(method, path, headers, query_params)
core.router.extract_access_key_id(headers, query_params)
services.athena._create_prepared_statement(data)
services.athena._delete_prepared_statement(data)
services.athena._delete_workgroup(data)
services.athena._execute_query(query_id, query, database, ddl, catalog)
services.athena._executions
services.athena._get_query_results(data)
services.athena._named_queries
services.athena._parse_ddl(query)
services.athena._prepared_statements
services.athena._run_ddl(ddl, database)
services.athena._start_query_execution(data)
services.athena._workgroups
services.cloudformation._stacks
services.cloudformation.changesets._add_event(stack_id, stack_name, logical_id, resource_type, status, reason, physical_id, detailed_status)
services.cloudformation.changesets._IMPORT_LOOKUPS
services.cloudformation.changesets._IMPORT_NOT_FOUND
services.cloudformation.changesets._find_change_set(cs_name, stack_name)
services.cloudformation.changesets._evaluate_conditions(template, params)
services.cloudformation.changesets.validate_template_support(template, conditions, params)
services.cloudformation.changesets._resolve_parameters(template, provided_params, previous_params)
services.cloudformation.custom_resource._pending
services.cloudformation.custom_resource.deliver_response(token, response)
services.cloudformation.handlers._ACTION_HANDLERS
services.cloudformation.helpers._error(code, message, status)
services.cloudformation.helpers._p(params, key, default)
services.cloudformation.handlers._add_event(stack_id, stack_name, logical_id, resource_type, status, reason, physical_id, detailed_status)
services.cloudformation.handlers._evaluate_conditions(template, params)
services.cloudformation.handlers._resolve_parameters(template, provided_params, previous_params)
services.cloudformation.handlers._resolve_stack(stack_name)
services.cloudformation.handlers._stack_drift_information_xml(stack)
services.cloudformation.handlers.validate_template_support(template, conditions, params)
services.cloudformation.provisioners._CUSTOM_NAME_REPLACEMENT
services.cloudformation.provisioners._REPLACING_PROPERTIES
services.cloudformation.provisioners._RESOURCE_HANDLERS
services.cloudformation.provisioners._STACK_TAG_PROPERTY
services.cloudformation.provisioners._physical_name(stack_name, logical_id, lowercase, max_len, seeded)
services.cloudformation.provisioners._replacing_change(resource_type, old_props, new_props)
services.cloudformation.stacks.CLIENT_REQUEST_TOKEN
services.cloudformation.stacks._add_event(stack_id, stack_name, logical_id, resource_type, status, reason, physical_id, detailed_status)
services.cloudformation.stacks._delete_resource(resource_type, physical_id, props, stack_name, logical_id)
services.cloudformation.stacks._evaluate_conditions(template, params)
services.cloudformation.stacks._provision_resource(resource_type, logical_id, props, stack_name)
services.cloudformation.stacks._update_resource(resource_type, physical_id, old_props, new_props, stack_name, logical_id, old_attrs)
services.cloudformation.stacks._update_keeping_seed(*args)
services.cloudformation.stacks._validation_errors(resources_defs, ordered, param_values, conditions, mappings, stack_name, stack_id, owned_buckets)
services.cloudformation.stacks._runs_on_worker_thread(resource_type)
services.cloudformation.provisioners._kms_alias_target(target_key)
services.cloudformation.provisioners._cw_metric_alarm_record(name, props)
services.cloudwatch._alarms
services.cloudwatch._calc_stats(points)
services.cloudwatch._dims_key(dims)
services.cloudwatch._dispatch_alarm_actions(alarm, old_state, new_state, reason)
services.cloudwatch._evaluate_alarm(alarm)
services.cloudwatch._evaluate_parent_alarms(child, seen)
services.cloudwatch._metrics
services.cloudwatch._put_metric_alarm(params, cbor_data, is_cbor, is_json)
services.cloudwatch._record_history(alarm_name, old_state, new_state, reason, alarm_type, reason_data)
services.cloudwatch._store_datum(namespace, name, dims, ts, unit, value, values, counts, stat_values)
services.cloudwatch._stat_value(stats, stat_name, points)
services.cloudwatch.record_metric(namespace, metric_name, value, unit, dimensions)
services.cloudwatch._history_entries()
services.cloudwatch._ts_iso(epoch)
services.codebuild._builds
services.codebuild._start_build(data)
services.codebuild._projects
services.ecr._create_repository(data)
services.ecr._repositories
services.cloudwatch_logs._create_log_group(data)
services.ecr._repo_policies
services.cloudwatch_logs._log_groups
services.cloudwatch_logs._log_events_lock
services.cloudwatch_logs._log_records
services.cloudwatch_logs._append_log_events(stream, events)
services.cloudwatch_logs._put_subscription_filter(data)
services.eventbridge._SCHEDULER_TICK_INTERVAL
services.eventbridge._events_log_list()
services.eventbridge._apply_input_transformer(transformer, rule, view)
services.eventbridge._cron_next_fire(fields, after_dt)
services.eventbridge._invoke_target(target, event, rule, view)
services.eventbridge._parse_cron_fields(expr)
services.eventbridge._pattern_event_view(event)
services.eventbridge._put_events(data, allow_aws_source)
services.eventbridge._validate_target_arn(target)
services.firehose._HANDLERS
services.firehose._create_delivery_stream(data)
services.firehose._delete_delivery_stream(data)
services.firehose._put_record(data)
services.firehose._put_record_batch(data)
services.firehose._streams
services.firehose._update_destination(data)
services.firehose.ingest_from_kinesis_source(stream_arn, records)
services.glue._create_database(data)
services.glue._create_partition(data)
services.glue._create_table(data)
services.glue._databases
services.glue._delete_database(data)
services.glue._delete_partition(data)
services.glue._delete_table(data)
services.glue._partitions
services.glue._tables
services.iam._access_keys
services.iam._attach_user_policy(p)
services.iam._create_user(p)
services.iam._roles
services.iam._users
services.kinesis._delete_stream(data)
services.kinesis._get_records(data)
services.kinesis._get_shard_iterator(data)
services.kinesis._next_sequence_number()
services.kinesis._partition_key_to_hash(partition_key)
services.kinesis._put_record(data)
services.kinesis._put_records(data)
services.kinesis._resolve_stream(data)
services.kinesis._resolve_stream_by_arn(stream_arn)
services.kinesis._start_stream_encryption(data)
services.kinesis._streams
services.kinesis._subscribe_to_shard(data, is_cbor)
services.kinesis.put_record_internal(stream_arn, partition_key, data)
services.kms._alias_arn(alias_name)
services.kms._aliases
services.kms._create_key(data)
services.kms._dry_run_error(operation)
services.kms._grants
services.kms._keys
services.kms._resolve_key(key_id_or_arn)
services.kms._stamp_alias(alias_arn, created)
services.kms.handle_request(method, path, headers, body, query_params)
services.lambda_svc._apply_filter_criteria(records, esm)
services.lambda_svc._build_config(name, data, code_zip)
services.lambda_svc._create_esm(data)
services.lambda_svc._create_function(data)
services.lambda_svc._emit_lambda_metrics(function_name, duration_ms, error, throttle)
services.lambda_svc._esm_response(esm)
services.lambda_svc._esms
services.lambda_svc._execute_function_docker(func, event, request_id)
services.lambda_svc._execute_function_warm(func, event, request_id)
services.lambda_svc._execute_function_with_config_scope(func, event)
services.lambda_svc._execution_record_for_config(func, config)
services.lambda_svc._functions
services.lambda_svc._get_func_record_for_ref(function_ref)
services.lambda_svc._poll_kinesis()
services.lambda_svc._update_code(name, data)
services.lambda_svc._update_esm(esm_id, data)
services.lambda_svc._update_config(name, data)
services.lambda_svc.invalidate_worker(func_name, qualifier, account, region)
services.lambda_svc.invoke_async_with_retry(func, event)
services.lambda_svc._sqs_esm_concurrency(esm, func_rec, config, queue)
services.lambda_svc._put_event_invoke_config(func_name, qualifier, data)
services.lambda_svc._account_region_from_function_config(config)
services.lambda_svc._execute_function(func, event)
services.lambda_svc._emit_lambda_logs(func, request_id, log_text, error, duration_ms, log_source)
services.lambda_svc._execute_function_dispatch(func, config, event, request_id, started)
services.s3.DATA_DIR
services.s3.S3_PERSIST
services.s3._atomic_write(fpath, data, text)
services.s3._buckets
services.s3._error(code, message, status, resource, extra, headers)
services.s3._get_object_data(bucket_name, key, version_id)
services.s3._object_disk_path(bucket, key, account_id)
services.s3._put_object(bucket_name, key, body, headers)
services.s3._SSE_STORED_HEADERS
services.s3._bucket_default_sse_headers(bucket_name)
services.s3._bucket_encryption
services.s3._check_sse_c_copy_source(headers, src_obj)
services.s3._check_sse_c_part(headers, upload)
services.s3._check_sse_read_headers(headers, obj)
services.s3._copy_object(bucket_name, dest_key, headers)
services.s3._create_multipart_upload(bucket_name, key, headers)
services.s3._delete_bucket(name)
services.s3._get_object_attributes(bucket_name, key, headers, query_params)
services.s3._parse_bucket_key(path, headers)
services.s3._request_access_key(method, key, headers, query_params, body)
services.s3.handle_request(method, path, headers, body, query_params, signed_path, enforce_bucket_region, internal, access_point_region, access_point)
services.s3.url_unquote
services.s3._get_object(bucket_name, key, headers, query_params)
services.s3._head_object(bucket_name, key, headers, query_params)
services.s3._put_bucket_encryption(name, body)
services.s3._put_bucket_lifecycle(name, body)
services.s3._put_bucket_logging(name, body)
services.s3._put_bucket_ownership_controls(name, body)
services.s3._put_bucket_tagging(name, body)
services.s3._resolve_sse_write_headers(headers, bucket_name)
services.s3._validate_notification_configs(configs, bucket_region, bucket_name, skip_destination_validation)
services.s3._deliver_event_to_lambda(arn, event_payload, bucket_region)
services.s3._invalid_notification_config(message)
services.scheduler._SCHEDULE_TICK_INTERVAL
services.scheduler._create_schedule(name, body)
services.scheduler._update_schedule(name, body)
services.scheduler._error(status, code, message)
services.ssm._delete_parameter(data)
services.ssm._delete_parameters(data)
services.ssm._lookup_parameter(name_or_arn, allow_arn_region, flexible_name)
services.ssm._param_arn(name)
services.ssm._get_parameter_history(data)
services.ssm._get_parameters_by_path(data)
services.ssm._get_parameters(data)
services.ssm._get_parameter(data)
services.ssm._parameter_history
services.ssm._parameters
services.ssm._put_parameter(data)
services.stepfunctions._AWS_SDK_SERVICE_MAP
services.tagging._COLLECTORS
services.sqs._queue_by_arn(arn)
services.sqs._queues
services.sqs._get_q(url, action)
services.sqs._HANDLERS
services.sqs._Err
services.sns._topic_by_arn_any_scope(topic_arn)
services.sns._publish_batch(params)
services.sns._publish(params)
services.sns._p(params, key, default)
services.sns._normalize_arn(arn)
services.sns._error(code, message, status)
services.tagging._RESOURCE_TAG_COLLECTORS
services.sts._caller_identity(headers, query_params)
services.sts.is_root_access_key(access_key_id)
services.sts.register_session(access_key, session)
services.sqs._enforce_queue_policy(q, iam_action)
services.sqs._act_send_message(data, qurl)
services.sqs._queue_url(name)
services.sqs.queue_policy_allows(queue_arn, service, source_arn, source_account)
services.sns.topic_policy_allows(topic_arn, service, source_arn, source_account)
services.sns.publish_internal(topic_arn, message, subject, message_structure, message_attributes, message_group_id, message_deduplication_id)
services.sns.SnsPublishError
services.sns._deliver_to_sqs(endpoint, envelope, raw, raw_message, message_group_id, message_dedup_id, message_attributes, topic_arn)
services.sns._deliver_to_lambda(endpoint, envelope, topic_arn, sub_arn, msg_id, raw_message, message_attributes)
"""


class IncompatibleEmulatorError(RuntimeError):
    """The installed ministack is not the one that the adapter was written for."""


def check_compatibility(internals: Iterable[str] | None = None) -> None:
    """Refuse to start on another ministack, naming what is missing.

    Args:
        internals: Lines in the form of `INTERNALS`. If omitted, all that the adapter uses.

    Raises:
        IncompatibleEmulatorError: If the version or any name or signature differs.
    """
    version = importlib.metadata.version("ministack")
    lines = INTERNALS.strip().splitlines() if internals is None else internals
    problems = [problem for line in lines if (problem := _problem(line)) is not None]
    if problems or version != PINNED_VERSION:
        missing = "; missing: " + ", ".join(problems) if problems else ""
        raise IncompatibleEmulatorError(
            f"ministack must be exactly {PINNED_VERSION}, got {version}{missing}; "
            f"run `pip install ministack=={PINNED_VERSION}`"
        )


def _problem(line: str) -> str | None:
    """What is wrong with one internal, or nothing."""
    path, is_function, parameters = line.partition("(")
    module_name, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(f"ministack.{module_name}"), name)
    except (ImportError, AttributeError):
        return path
    if not is_function:
        return None
    stars: dict[object, str] = {
        inspect.Parameter.VAR_POSITIONAL: "*",
        inspect.Parameter.VAR_KEYWORD: "**",
    }
    have = ", ".join(
        f"{stars.get(parameter.kind, '')}{name}"
        for name, parameter in inspect.signature(found).parameters.items()
    )
    wanted = parameters.removesuffix(")")
    return None if have == wanted else f"{path}({wanted}) (found {path}({have}))"
