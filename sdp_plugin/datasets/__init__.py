"""Data sets, their cards, folds and subsets.

Nothing is imported here: the cards, folds and subsets need NumPy alone, and the registry finds the data sets (see
:mod:`sdp_plugin.registry`).
"""
