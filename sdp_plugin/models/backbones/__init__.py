"""Backbones of the ``sdp_plugin`` scope."""
