"""Who writes state down at once gets it without a copy, and nobody else does."""

from concurrent.futures import ThreadPoolExecutor

from ministack.services import cloudformation, cloudwatch, cloudwatch_logs, glue

from local_aws.adapter.state.lending import lent


def test_only_the_thread_that_borrows_and_only_meanwhile_gets_what_is_ours() -> None:
    ours = {"nested": ["value"]}
    for service in (cloudformation, cloudwatch, cloudwatch_logs, glue):
        with lent(), ThreadPoolExecutor(1) as pool:
            assert service.copy.deepcopy(ours) is ours
            others = pool.submit(service.copy.deepcopy, ours).result()
        for copied in (others, service.copy.deepcopy(ours)):
            assert copied == ours
            assert copied["nested"] is not ours["nested"]
        assert service.copy.copy(ours) == ours
