"""Property tests here draw and search; on a busy machine an example's time says nothing."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile('no deadline', deadline=None)
settings.load_profile('no deadline')
