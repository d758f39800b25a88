"""Frozen features of images, and classifiers of a few labelled examples on top of them."""
