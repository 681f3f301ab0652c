"""ministack's CloudFormation."""
