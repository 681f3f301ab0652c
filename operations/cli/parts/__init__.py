"""What verbs are made of: where they act, how they fail, what they show."""
