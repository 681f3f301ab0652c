"""CloudFormation's resource types of SageMaker and Application Auto Scaling."""
