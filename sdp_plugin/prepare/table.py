"""All data sets that can be prepared, by their names on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sdp_plugin.prepare.clicks_recipe import clicks
from sdp_plugin.prepare.data_set import DataSet
from sdp_plugin.prepare.pcam_recipe import pcam
from sdp_plugin.prepare.scribblesup_recipe import scribblesup
from sdp_plugin.prepare.tiles_recipe import crc, nct_crc, nct_crc_nonorm
from sdp_plugin.prepare.voc_recipe import voc

DATA_SETS: Mapping[str, Callable[..., DataSet]] = MappingProxyType(
    {
        'voc': voc,
        'scribblesup': scribblesup,
        'clicks': clicks,
        'pcam': pcam,
        'crc': crc,
        'nct-crc': nct_crc,
        'nct-crc-nonorm': nct_crc_nonorm,
    }
)
# Variants are fetched when they are named.
ALL = ('voc', 'scribblesup', 'clicks', 'pcam', 'crc', 'nct-crc')
