"""Carrying a trunk's weights from one architecture's layout to another's, with proof that it is the same network.

``carry_over`` turns a checkpoint into an initialisation; ``initialise`` loads one into a model; ``key_maps`` holds the
correspondence of names as data; ``rules``, ``convert`` and ``verify`` are the machinery.
"""
