"""What tools call: training, testing, prediction and looking at data, from a config or a checkpoint."""

from sdp_plugin.openmmlab import import_libraries

import_libraries()
