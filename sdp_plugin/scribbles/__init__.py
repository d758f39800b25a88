"""Scribbles: strokes on an image of a known size, their file formats, drawing and synthesis (no torch)."""
