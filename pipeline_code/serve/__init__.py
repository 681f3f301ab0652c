"""The model server behind the endpoint and batch transform; the entry point `serve`."""
