"""Lambda functions that events, queues and CloudFormation start."""
