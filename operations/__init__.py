"""The `fraudloop` command: the same verbs against AWS and the embedded AWS."""
