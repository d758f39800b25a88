"""Scribble-supervised pre-training for digital pathology, as an OpenMMLab plugin."""

__version__ = '0.1.0'
