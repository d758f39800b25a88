"""The plugin's own registry scope.

Every registry is a child of the mmengine root of its kind, so a config of MMSegmentation or MMPretrain reaches our
classes as ``sdp_plugin.Name`` whatever its ``default_scope`` is: mmengine imports ``<scope>.registry`` when it meets
an unknown scope, and ``locations`` imports the classes on the first look-up. No ``custom_imports`` are needed.
"""

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import FUNCTIONS as MMENGINE_FUNCTIONS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import Registry

DATASETS = Registry(
    'dataset',
    parent=MMENGINE_DATASETS,
    scope='sdp_plugin',
    locations=[f'sdp_plugin.datasets.{module}' for module in ('tile_datasets', 'voc_datasets')],
)
DATA_SAMPLERS = Registry(
    'data sampler', parent=MMENGINE_DATA_SAMPLERS, scope='sdp_plugin', locations=['sdp_plugin.datasets.samplers']
)
TRANSFORMS = Registry(
    'transform', parent=MMENGINE_TRANSFORMS, scope='sdp_plugin', locations=['sdp_plugin.datasets.transforms']
)
FUNCTIONS = Registry(
    'function', parent=MMENGINE_FUNCTIONS, scope='sdp_plugin', locations=['sdp_plugin.datasets.transforms']
)
MODELS = Registry('model', parent=MMENGINE_MODELS, scope='sdp_plugin', locations=['sdp_plugin.models'])
HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope='sdp_plugin', locations=['sdp_plugin.engine.hooks'])
LOOPS = Registry('loop', parent=MMENGINE_LOOPS, scope='sdp_plugin', locations=['sdp_plugin.engine.in_memory.loop'])
METRICS = Registry('metric', parent=MMENGINE_METRICS, scope='sdp_plugin', locations=['sdp_plugin.evaluation'])
OPTIM_WRAPPERS = Registry(
    'optim wrapper', parent=MMENGINE_OPTIM_WRAPPERS, scope='sdp_plugin', locations=['sdp_plugin.engine.optim_wrapper']
)
