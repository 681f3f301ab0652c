"""How the state of the services is kept on disk."""
