"""CloudFormation: templates, the rules of resources, and as whom stacks act."""
