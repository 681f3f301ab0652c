"""The parts that SageMaker's jobs share: roles, requests, pipelines' schedules."""
