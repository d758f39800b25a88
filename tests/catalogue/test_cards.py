from __future__ import annotations

import re

import pytest

from sdp_plugin.catalogue.crc import CRC
from sdp_plugin.catalogue.nct_crc import NCT_CRC, NCT_CRC_NONORM
from sdp_plugin.catalogue.pcam import PCAM
from sdp_plugin.catalogue.voc import CLICKS, SCRIBBLESUP, VOC_2012

CARDS = (VOC_2012, SCRIBBLESUP, CLICKS, PCAM, CRC, NCT_CRC, NCT_CRC_NONORM)
DOWNLOADS = {download.file_name: download for card in CARDS for download in card.downloads}


@pytest.mark.parametrize('card', CARDS, ids=lambda card: card.name)
def test_every_card_states_what_a_user_must_know(card):
    assert card.terms
    assert card.citation
    assert card.homepage.startswith('http')
    assert len(set(card.classes)) == len(card.classes) == len(set(card.palette))
    assert all(0 <= value <= 255 for colour in card.palette for value in colour)
    assert all(count > 0 for count in card.sizes.values())


def test_voc_matches_mmseg():
    from mmseg.datasets import PascalVOCDataset

    assert VOC_2012.metainfo() == PascalVOCDataset.METAINFO


def test_pcam_checksums_match_torchvision():
    from torchvision.datasets import PCAM as TORCHVISION_PCAM

    published = {f'{name}.gz': md5 for split in TORCHVISION_PCAM._FILES.values() for name, _, md5 in split.values()}
    assert {download.file_name: download.md5 for download in PCAM.downloads} == published


@pytest.mark.parametrize('download', DOWNLOADS.values(), ids=DOWNLOADS)
def test_every_published_file_says_what_is_known_of_it(download):
    assert download.has_digest or 'No digest is published' in download.note
    assert download.source or not download.has_digest
    lengths = {'sha256': 64, 'md5': 32, 'git_blob': 40}
    for kind, length in lengths.items():
        assert re.fullmatch(f'[0-9a-f]{{{length}}}', getattr(download, kind) or '0' * length)
    assert all(re.match('https?://', url) for url in (download.url, *download.mirrors))
    assert download.file_name in download.url
    assert download.unpacked >= (download.size or 0) or download.file_name.endswith('y.h5.gz')


def test_the_large_files_have_sizes():
    without = {name for name, download in DOWNLOADS.items() if download.size is None}
    assert without == {
        'benchmark.tgz',
        'voc_scribbles.zip',
        'scribble_annotation.zip',
        'NCT-CRC-HE-100K-NONORM.zip',
    }


def test_sizes_cannot_be_changed_by_accident():
    with pytest.raises(TypeError):
        CRC.sizes['all'] = 1
