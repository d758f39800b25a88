"""Data preprocessors of the ``sdp_plugin`` scope."""
