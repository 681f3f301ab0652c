"""The proof that every grant of the templates is needed and every "no" holds, by a played loop."""
