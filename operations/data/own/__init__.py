"""A user's own file: how it is read, mapped onto the lake's columns, and kept beside them."""
