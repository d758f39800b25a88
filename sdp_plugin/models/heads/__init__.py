"""Decode heads of the ``sdp_plugin`` scope."""
