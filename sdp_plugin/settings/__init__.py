"""Plain values at the top of a config: what they mean, what they may be, and the places inside it that they stand for.

``--cfg-options fold=3`` is what a person wants to write; the fold belongs to the training and to the test set.
"""

from sdp_plugin.settings.loading import carry_settings, change_settings, load_config, read_config, settings_of
from sdp_plugin.settings.options import OptionsAction
from sdp_plugin.settings.schema import SETTINGS, describe_settings

__all__ = [
    'SETTINGS',
    'OptionsAction',
    'carry_settings',
    'change_settings',
    'describe_settings',
    'load_config',
    'read_config',
    'settings_of',
]
