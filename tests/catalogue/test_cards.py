from __future__ import annotations

import pytest

from sdp_plugin.catalogue.crc import CRC
from sdp_plugin.catalogue.pcam import PCAM
from sdp_plugin.catalogue.voc import SCRIBBLESUP, VOC_2012

CARDS = (VOC_2012, SCRIBBLESUP, PCAM, CRC)


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


def test_sizes_cannot_be_changed_by_accident():
    with pytest.raises(TypeError):
        CRC.sizes['all'] = 1
