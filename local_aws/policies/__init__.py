"""IAM: the grammar of policies, principals, and roles that are passed."""
