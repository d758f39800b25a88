"""Data cards: what each public data set is, where it comes from and on which terms, as data.

An md5 of None means that no checksum has been published or confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sdp_plugin.catalogue.palette import voc_palette

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Download:
    """One published file: its name, address, the md5 of the published (compressed) bytes, and what to know of it."""

    file_name: str
    url: str
    md5: str | None = None
    note: str = ''


@dataclass(frozen=True)
class DataCard:
    """What is known of a public data set before a file of it is opened.

    Args:
        name (str): The name as its authors write it.
        classes (tuple[str, ...]): Class names; the position is the class index.
        palette (tuple[Colour, ...]): One RGB colour a class, 0 to 255.
        sizes (Mapping[str, int]): Number of images in each split of the complete data set.
        image_size (tuple[int, int] | None): Height and width in pixels, or None where images differ.
        terms (str): Licence or terms of use.
        citation (str): What to cite.
        homepage (str): Where its authors describe it.
        downloads (tuple[Download, ...]): The published files.
        notes (tuple[str, ...]): What a user should know and the files do not tell.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    sizes: Mapping[str, int]
    image_size: tuple[int, int] | None
    terms: str
    citation: str
    homepage: str
    downloads: tuple[Download, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.palette):
            raise ValueError(f'{self.name}: {len(self.classes)} classes but {len(self.palette)} colours')
        object.__setattr__(self, 'sizes', MappingProxyType(dict(self.sizes)))

    def metainfo(self) -> dict:
        """The ``METAINFO`` of an OpenMMLab data set: ``classes`` (tuple of str) and ``palette`` (list of RGB lists)."""
        return {'classes': self.classes, 'palette': [list(colour) for colour in self.palette]}


VOC_CLASSES = (
    *('background', 'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus'),
    *('car', 'cat', 'chair', 'cow', 'diningtable', 'dog', 'horse'),
    *('motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor'),
)

VOC_PALETTE = tuple(tuple(colour) for colour in voc_palette()[: len(VOC_CLASSES)].tolist())

VOC_2012 = DataCard(
    name='PASCAL VOC 2012 with the SBD masks (train_aug)',
    classes=VOC_CLASSES,
    palette=VOC_PALETTE,
    sizes={'train_aug': 10_582, 'val': 1_449},
    image_size=None,
    terms='The images come from Flickr and are under its terms of use: for research, redistribution not granted.',
    citation=(
        'M. Everingham, L. Van Gool, C. K. I. Williams, J. Winn, A. Zisserman: The PASCAL Visual Object Classes '
        '(VOC) Challenge. International Journal of Computer Vision 88(2), 2010. Masks of train_aug: B. Hariharan, '
        'P. Arbelaez, L. Bourdev, S. Maji, J. Malik: Semantic Contours from Inverse Detectors. ICCV 2011.'
    ),
    homepage='http://host.robots.ox.ac.uk/pascal/VOC/voc2012/',
    downloads=(
        Download(
            'VOCtrainval_11-May-2012.tar',
            'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar',
            md5='6cd6e144f989b92b3379bac3b3de84fd',
        ),
        Download(
            'benchmark.tgz',
            'https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz',
            md5='82b4d87ceb2ed10f6038a1cba92111cb',
            note='SBD: masks as MATLAB files, which MMSegmentation turns into SegmentationClassAug.',
        ),
    ),
    notes=('Mask value 255 is the ignore index (void, object borders).',),
)

SCRIBBLESUP = DataCard(
    name='ScribbleSup (PASCAL VOC 2012 part)',
    classes=VOC_CLASSES,
    palette=VOC_PALETTE,
    sizes={'train_aug': 10_582},
    image_size=None,
    terms='For research use.',
    citation=(
        'D. Lin, J. Dai, J. Jia, K. He, J. Sun: ScribbleSup: Scribble-Supervised Convolutional Networks for Semantic '
        'Segmentation. CVPR 2016.'
    ),
    homepage='https://jifengdai.org/downloads/scribble_sup/',
    notes=(
        'One XML of strokes an image; the images and full masks are those of PASCAL VOC 2012.',
        'Its tags are not the class names of VOC (plane, bike, table, monitor, ...), but come in the same order.',
        'The PASCAL-Context part adds 38 more tags, which are not classes of VOC.',
    ),
)

_PCAM_RECORD = 'https://zenodo.org/record/2546921/files'
_PCAM_MD5 = {
    'camelyonpatch_level_2_split_train_x.h5.gz': '1571f514728f59376b705fc836ff4b63',
    'camelyonpatch_level_2_split_train_y.h5.gz': '35c2d7259d906cfc8143347bb8e05be7',
    'camelyonpatch_level_2_split_valid_x.h5.gz': 'd5b63470df7cfa627aeec8b9dc0c066e',
    'camelyonpatch_level_2_split_valid_y.h5.gz': '2b85f58b927af9964a4c15b8f7e8f179',
    'camelyonpatch_level_2_split_test_x.h5.gz': 'd8c2d60d490dbd479f8199bdfa0cf6ec',
    'camelyonpatch_level_2_split_test_y.h5.gz': '60a7035772fbdb7f34eb86d4420cf66a',
}

PCAM = DataCard(
    name='PatchCamelyon (PCam)',
    classes=('normal', 'tumour'),
    palette=((86, 180, 233), (213, 94, 0)),
    sizes={'train': 262_144, 'val': 32_768, 'test': 32_768},
    image_size=(96, 96),
    terms='CC0 1.0 (public domain)',
    citation=(
        'B. S. Veeling, J. Linmans, J. Winkens, T. Cohen, M. Welling: Rotation Equivariant CNNs for Digital Pathology. '
        'MICCAI 2018, arXiv 1806.03962. Slides: B. Ehteshami Bejnordi et al.: Diagnostic Assessment of Deep Learning '
        'Algorithms for Detection of Lymph Node Metastases in Women With Breast Cancer. JAMA 318(22), 2017.'
    ),
    homepage='https://github.com/basveeling/pcam',
    downloads=tuple(Download(name, f'{_PCAM_RECORD}/{name}', md5) for name, md5 in _PCAM_MD5.items()),
    notes=(
        'A patch is "tumour" if its central 32 x 32 pixels hold at least one pixel of tumour tissue.',
        'Half of the patches of each split are "tumour"; no slide is shared between splits.',
        'Duplicate patches exist within a split.',
        "The checksums in the authors' README swap valid and test; those here are right.",
    ),
)

CRC = DataCard(
    name='Kather 2016: textures in colorectal cancer histology (CRC)',
    classes=('TUMOR', 'STROMA', 'COMPLEX', 'LYMPHO', 'DEBRIS', 'MUCOSA', 'ADIPOSE', 'EMPTY'),
    palette=(
        *((213, 94, 0), (230, 159, 0), (240, 228, 66), (0, 114, 178)),
        *((204, 121, 167), (0, 158, 115), (86, 180, 233), (200, 200, 200)),
    ),
    sizes={'all': 5_000},
    image_size=(150, 150),
    terms='CC BY 4.0',
    citation=(
        'J. N. Kather, C.-A. Weis, F. Bianconi, S. M. Melchers, L. R. Schad, T. Gaiser, A. Marx, F. G. Zoellner: '
        'Multi-class texture analysis in colorectal cancer histology. Scientific Reports 6, 27988, 2016.'
    ),
    homepage='https://zenodo.org/record/53169',
    downloads=(
        Download(
            'Kather_texture_2016_image_tiles_5000.zip',
            'https://zenodo.org/record/53169/files/Kather_texture_2016_image_tiles_5000.zip',
            md5='0ddbebfc56344752028fda72602aaade',
            note='The checksum is second-hand.',
        ),
    ),
    notes=(
        '625 tiles of each class, without official splits: the literature uses 10-fold cross-validation.',
        'The tiles come from ten source images (CRC-Prim-HE-NN in the file name) of 238 to 1,061 tiles each. Random '
        'folds put tiles of one source image on both sides; folds grouped by source image do not.',
        'CRC-Prim-HE-06 holds 590 of the 625 EMPTY tiles and CRC-Prim-HE-10 the other 35, so 50 examples a class '
        'cannot be drawn while CRC-Prim-HE-06 is held out.',
    ),
)

CARDS: Mapping[str, DataCard] = MappingProxyType(
    {'voc2012': VOC_2012, 'scribblesup': SCRIBBLESUP, 'pcam': PCAM, 'crc': CRC}
)
