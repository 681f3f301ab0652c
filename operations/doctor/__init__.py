"""The examination of an account before an environment is deployed to it; it only reads."""
