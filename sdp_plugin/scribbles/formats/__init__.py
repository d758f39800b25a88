"""File formats of scribbles: one module a format."""
