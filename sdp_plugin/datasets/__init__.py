"""Data sets and transforms for MMSegmentation and MMPretrain, and fast reading of their files."""
