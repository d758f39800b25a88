"""Data sets and transforms for MMSegmentation and MMPretrain, and fast reading of their files."""

from sdp_plugin.openmmlab import import_libraries

import_libraries()
