"""The published files of the data sets: addresses, sizes and digests, each with where it is said.

Facts only; ``sdp_plugin.prepare`` fetches them. A digest that is None has not been published or was not found.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """One published file.

    Args:
        file_name (str): The name that it is kept and looked for under.
        url (str): Its address.
        mirrors (tuple[str, ...]): Further addresses of the same bytes, tried in this order.
        size (int | None): In bytes.
        sha256 (str | None): Of the published (compressed) bytes, in hexadecimal.
        md5 (str | None): Likewise.
        git_blob (str | None): Its id in a git repository: the SHA-1 of ``blob SIZE``, a zero byte and the content.
        unpacked (int): About how many bytes its content takes on disk.
        source (str): Where size and digests come from.
        note (str): What else to know of it.
    """

    file_name: str
    url: str
    mirrors: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    git_blob: str | None = None
    unpacked: int = 0
    source: str = ''
    note: str = ''

    @property
    def has_digest(self) -> bool:
        """Whether anything is published that the bytes can be held against."""
        return bool(self.sha256 or self.md5 or self.git_blob)


VOC_TRAINVAL = Download(
    'VOCtrainval_11-May-2012.tar',
    'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar',
    mirrors=('https://pjreddie.com/media/files/VOCtrainval_11-May-2012.tar',),
    size=1_999_639_040,
    sha256='e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb',
    md5='6cd6e144f989b92b3379bac3b3de84fd',
    unpacked=2_050_000_000,
    source='size and SHA-256: TensorFlow Datasets; md5: torchvision',
)
SBD_BENCHMARK = Download(
    'benchmark.tgz',
    'https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz',
    md5='82b4d87ceb2ed10f6038a1cba92111cb',
    unpacked=100_000_000,
    source='md5: torchvision',
    note='SBD: class masks as MATLAB files.',
)
TRAIN_AUG_SHA256 = 'd1326bd532648d73bc4b1bd275434eba81930982dc7401a65a8cecb26c028e24'
"""Of the 10,582 sorted ids of VOC's train_aug, one a line, with a final newline."""

_GATED_CRF = 'https://raw.githubusercontent.com/LEONOB2014/GatedCRFLoss'
_GATED_CRF_DATASETS = f'{_GATED_CRF}/9b57667885b19e1c6a0e9115fa9ac2c17c8ed645/datasets'

SCRIBBLES_OF_GATED_CRF = Download(
    'voc_scribbles.zip',
    f'{_GATED_CRF_DATASETS}/voc_scribbles.zip',
    git_blob='f950ec23b4b7d89d0c820132b6e1a794a6806ff7',
    unpacked=400_000_000,
    source='git blob: the repository LEONOB2014/GatedCRFLoss',
    note="ScribbleSup's XMLs of VOC 2012, without folders.",
)
SCRIBBLES_OF_AUTHORS = Download(
    'scribble_annotation.zip',
    'https://www.dropbox.com/s/9vh3kvtd742red8/scribble_annotation.zip?dl=1',
    unpacked=400_000_000,
    note="The authors' own archive, VOC 2012 and PASCAL-Context. No digest is published.",
)
CLICKS_ON_OBJECTS = Download(
    'voc_whats_the_point.json',
    f'{_GATED_CRF_DATASETS}/voc_whats_the_point.json',
    size=2_565_949,
    git_blob='a2601350caeac75867a80e68c169b3317e528e57',
    unpacked=2_565_949,
    source='size and git blob: the repository LEONOB2014/GatedCRFLoss',
)
CLICKS_ON_BACKGROUND = Download(
    'voc_whats_the_point_bg_from_scribbles.json',
    f'{_GATED_CRF_DATASETS}/voc_whats_the_point_bg_from_scribbles.json',
    size=1_985_939,
    git_blob='6fb781e7bce240cda36c0480229bced8708f9e6b',
    unpacked=1_985_939,
    source='size and git blob: the repository LEONOB2014/GatedCRFLoss',
    note='Points on the background strokes of ScribbleSup; people clicked on objects only.',
)


def _pcam(part: str, patches: int, size: int, md5: str, sha256: str) -> Download:
    name = f'camelyonpatch_level_2_split_{part}.h5.gz'
    return Download(
        name,
        f'https://zenodo.org/records/2546921/files/{name}?download=1',
        size=size,
        sha256=sha256,
        md5=md5,
        unpacked=patches * (96 * 96 * 3 if part.endswith('x') else 1) + 10_000,
        source='size and SHA-256: TensorFlow Datasets; md5: torchvision, the Zenodo record',
        note="The checksums in the authors' README swap valid and test; these are right.",
    )


PCAM_FILES = (
    _pcam(
        *('train_x', 262_144, 6_421_353_462, '1571f514728f59376b705fc836ff4b63'),
        'd619e741468a7ab35c7e4a75e6821b7e7e6c9411705d45708f2a0efc8960656c',
    ),
    _pcam(
        *('train_y', 262_144, 21_378, '35c2d7259d906cfc8143347bb8e05be7'),
        'b74126d2c01b20d3661f9b46765d29cf4e4fba6faba29c8e0d09d406331ab75a',
    ),
    _pcam(
        *('valid_x', 32_768, 805_965_320, 'd5b63470df7cfa627aeec8b9dc0c066e'),
        'f82ee1670d027b4ec388048d9eabc2186b77c009655dae76d624c0ecb053ccb2',
    ),
    _pcam(
        *('valid_y', 32_768, 3_038, '2b85f58b927af9964a4c15b8f7e8f179'),
        'ce1ae30f08feb468447971cfd0472e7becd0ad96d877c64120c72571439ae48c',
    ),
    _pcam(
        *('test_x', 32_768, 800_875_929, 'd8c2d60d490dbd479f8199bdfa0cf6ec'),
        '79174c2201ad521602a5888be8f36ee10875f37403dd3f2086caf2182ef87245',
    ),
    _pcam(
        *('test_y', 32_768, 3_040, '60a7035772fbdb7f34eb86d4420cf66a'),
        '0a522005fccc8bbd04c5a117bfaf81d8da2676f03a29d7499f71d0a0bd6068ef',
    ),
)
CRC_TILES = Download(
    'Kather_texture_2016_image_tiles_5000.zip',
    'https://zenodo.org/records/53169/files/Kather_texture_2016_image_tiles_5000.zip?download=1',
    size=258_098_431,
    sha256='936d0b95ae0f04f1f7b18a2b7e8c55776c3e887d102f645bcee752d1a6626a32',
    md5='0ddbebfc56344752028fda72602aaade',
    unpacked=380_000_000,
    source='size and SHA-256: TensorFlow Datasets; md5: second-hand',
)
_NCT_RECORD = 'https://zenodo.org/records/1214456/files'
NCT_CRC_100K = Download(
    'NCT-CRC-HE-100K.zip',
    f'{_NCT_RECORD}/NCT-CRC-HE-100K.zip?download=1',
    size=11_690_284_003,
    md5='6fd702d11df6292bc054397ae038a464',
    unpacked=15_200_000_000,
    source='Zenodo record 1214456',
)
NCT_CRC_100K_NONORM = Download(
    'NCT-CRC-HE-100K-NONORM.zip',
    f'{_NCT_RECORD}/NCT-CRC-HE-100K-NONORM.zip?download=1',
    md5='035777cf327776a71a05c95da6d6325f',
    unpacked=15_200_000_000,
    source='Zenodo record 1214456',
    note='kaiko eva gives this md5 for the normalised file, which is wrong.',
)
CRC_VAL_7K = Download(
    'CRC-VAL-HE-7K.zip',
    f'{_NCT_RECORD}/CRC-VAL-HE-7K.zip?download=1',
    size=800_276_929,
    md5='2fd1651b4f94ebd818ebf90ad2b6ce06',
    unpacked=1_100_000_000,
    source='Zenodo record 1214456',
)
