"""Raw events: landed in the lake or published as a stream, and waited for."""
