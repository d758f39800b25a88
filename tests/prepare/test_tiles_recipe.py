"""The official names of the colorectal tiles are all taken from the archive."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from small_published import zip_of

from sdp_plugin.catalogue.crc import CLASS_FOLDERS, CRC, GROUP_PATTERNS
from sdp_plugin.prepare.archives import Output
from sdp_plugin.prepare.tiles_recipe import crc


@pytest.mark.real_data
def test_every_official_name_is_unpacked(real_data, tmp_path):
    lines = (real_data / 'crc-5000-file-names.txt').read_text().split()
    names = [line for line in lines if line.endswith('.tif')]
    assert len(names) == CRC.sizes['all']
    archive = tmp_path / 'tiles.zip'
    archive.write_bytes(zip_of({f'Kather_texture_2016_image_tiles_5000/{name}': b'' for name in names}))
    output = Output(tmp_path / 'data')
    (part,) = crc().parts
    part.build([archive], output)
    assert set(output.manifest.files) == {f'Kather_texture_2016_image_tiles_5000/{name}' for name in names}
    assert Counter(name.split('/')[1] for name in output.manifest.files) == dict.fromkeys(CLASS_FOLDERS, 625)
    assert len({re.search(GROUP_PATTERNS['source_image'], name)[0] for name in names}) == 10
