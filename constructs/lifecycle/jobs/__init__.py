"""What SageMaker's jobs share: roles, requests, pipelines' schedules."""
