"""An environment's stacks: synthesized, examined, deployed, taken down and adopted again."""
