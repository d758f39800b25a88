"""Foundation models of pathology as data: how timm builds them, what they want of an image, and where they come from.

Weights are neither shipped nor fetched: a person gets them from ``source``, under ``licence``, and names the file.
Arguments are those of the authors' own loading code. Normalisation is of values from 0 to 1, in RGB.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sdp_plugin.errors import UserError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
LUNIT = ((0.70322989, 0.53606487, 0.66096631), (0.21716536, 0.26081574, 0.20723464))
OPTIMUS = ((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))
HIBOU = ((0.7068, 0.5755, 0.722), (0.195, 0.2316, 0.1816))

SWIGLU = dict(mlp_layer='SwiGLUPacked', act_layer='SiLU')
TCGA = 'TCGA'


@dataclass(frozen=True)
class FoundationModel:
    """A card.

    Args:
        title (str): Its authors' name for it.
        model (str): The name of the architecture in timm.
        width (int): Length of its tokens.
        arguments (Mapping[str, Any]): What :func:`timm.create_model` takes besides; layers by their names in timm.
        normalisation (tuple[tuple[float, ...], tuple[float, ...]]): Mean and standard deviation.
        source (str): Where the weights are got, a repository on Hugging Face or an address.
        licence (str): As the source states it; read it there before use.
        trained_on (str): The slides of its pre-training, as ``described`` says.
        layout (str): Whose names the tensors of the file have: ``'timm'``, or ``'transformers'``.
        pooling (str): ``'cls'``, ``'mean'`` (of the patches) or ``'cls+mean'``, as its authors recommend.
        input_size (int): Height and width in pixels.
        overlaps (tuple[str, ...]): Data sets of ours of which it may have seen slides; ``()`` where none is known.
        described (str): Where its authors say what is said here: the paper, beside the page of ``source``; ``''`` where
            that page is all there is.
        refused (str): Why it cannot be used here, ``''`` if it can.
    """

    title: str
    model: str = ''
    width: int = 0
    arguments: Mapping[str, Any] = field(default_factory=dict)
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET
    source: str = ''
    licence: str = ''
    trained_on: str = ''
    layout: str = 'timm'
    pooling: str = 'cls'
    input_size: int = 224
    overlaps: tuple[str, ...] = ()
    described: str = ''
    refused: str = ''

    def settings(self) -> dict[str, Any]:
        """The settings of a config that make its classifier one of this model, by dotted path."""
        mean, std = self.normalisation
        return {
            'model.backbone': dict(
                _delete_=True,
                type='sdp_plugin.TimmBackbone',
                model=self.model,
                arguments=dict(self.arguments),
                pooling=self.pooling,
                layout=self.layout,
            ),
            'model.neck': None,
            'model.head.in_channels': self.width * (2 if self.pooling == 'cls+mean' else 1),
            'data_preprocessor.mean': [255 * value for value in mean],
            'data_preprocessor.std': [255 * value for value in std],
            'input_size': self.input_size,
        }


def _kaiko(title: str, model: str, width: int) -> FoundationModel:
    return FoundationModel(
        f'kaiko {title}',
        model,
        width,
        normalisation=HALF,
        source=f'1aurent/{model}.kaiko_ai_towards_large_pathology_fms',
        licence="kaiko's non-commercial licence",
        trained_on=TCGA,
        described='arXiv 2404.15217',
    )


def _lunit(patch: int) -> FoundationModel:
    model = f'vit_small_patch{patch}_224'
    return FoundationModel(
        f'Lunit DINO S/{patch}',
        model,
        384,
        normalisation=LUNIT,
        source=f'1aurent/{model}.lunit_dino',
        licence="Lunit's non-commercial licence",
        trained_on=f'{TCGA} and TULIP (in house)',
        described='arXiv 2212.04690',
    )


def _optimus(number: int, licence: str) -> FoundationModel:
    return FoundationModel(
        f'H-optimus-{number}',
        'vit_giant_patch14_reg4_dinov2',
        1536,
        dict(init_values=1e-5, img_size=224),
        OPTIMUS,
        f'bioptimus/H-optimus-{number}',
        licence,
        f'{"over 500,000" if number == 0 else "over 1,000,000"} proprietary slides',
    )


def _hibou(size: str, model: str, width: int, mlp_width: int) -> FoundationModel:
    return FoundationModel(
        f'Hibou-{size}',
        model,
        width,
        dict(img_size=224, init_values=1e-5, mlp_ratio=mlp_width / width, **SWIGLU),
        HIBOU,
        f'histai/hibou-{size}',
        'Apache-2.0',
        'proprietary slides',
        layout='transformers',
        described='arXiv 2406.05074',
    )


FOUNDATION_MODELS: Mapping[str, FoundationModel] = MappingProxyType(
    {
        'kaiko-s16': _kaiko('ViT-S/16', 'vit_small_patch16_224', 384),
        'kaiko-s8': _kaiko('ViT-S/8', 'vit_small_patch8_224', 384),
        'kaiko-b16': _kaiko('ViT-B/16', 'vit_base_patch16_224', 768),
        'kaiko-b8': _kaiko('ViT-B/8', 'vit_base_patch8_224', 768),
        'kaiko-l14': _kaiko('ViT-L/14', 'vit_large_patch14_reg4_dinov2', 1024),
        'lunit-s16': _lunit(16),
        'lunit-s8': _lunit(8),
        'uni': FoundationModel(
            'UNI',
            'vit_large_patch16_224',
            1024,
            dict(init_values=1e-5),
            source='MahmoodLab/UNI',
            licence='CC BY-NC-ND 4.0',
            trained_on='slides of Mass General Brigham, and GTEx',
            described='doi 10.1038/s41591-024-02857-3',
        ),
        'uni2-h': FoundationModel(
            'UNI2-h',
            'vit_giant_patch14_224',
            1536,
            dict(
                depth=24,
                num_heads=24,
                embed_dim=1536,
                init_values=1e-5,
                mlp_ratio=2.66667 * 2,
                no_embed_class=True,
                reg_tokens=8,
                **SWIGLU,
            ),
            source='MahmoodLab/UNI2-h',
            licence='CC BY-NC-ND 4.0',
            trained_on='slides of Mass General Brigham, and GTEx',
        ),
        'virchow': FoundationModel(
            'Virchow',
            'vit_huge_patch14_224',
            1280,
            dict(init_values=1e-5, mlp_ratio=5.3375, **SWIGLU),
            source='paige-ai/Virchow',
            licence='Apache-2.0',
            trained_on='slides of Memorial Sloan Kettering Cancer Center',
            described='doi 10.1038/s41591-024-03141-0',
            pooling='cls+mean',
        ),
        'virchow2': FoundationModel(
            'Virchow2',
            'vit_huge_patch14_224',
            1280,
            dict(init_values=1e-5, mlp_ratio=5.3375, reg_tokens=4, **SWIGLU),
            source='paige-ai/Virchow2',
            licence='CC BY-NC-ND 4.0',
            trained_on='slides of Memorial Sloan Kettering Cancer Center and of other institutions worldwide',
            described='arXiv 2408.00738',
            pooling='cls+mean',
        ),
        'h-optimus-0': _optimus(0, 'Apache-2.0'),
        'h-optimus-1': _optimus(1, 'CC BY-NC-ND 4.0'),
        'gigapath': FoundationModel(
            "Prov-GigaPath's tile encoder",
            'vit_giant_patch14_dinov2',
            1536,
            dict(img_size=224, patch_size=16, mlp_ratio=5.33334),
            source='prov-gigapath/prov-gigapath',
            licence='Apache-2.0 with conditions, see the source',
            trained_on='slides of Providence',
            described='doi 10.1038/s41586-024-07441-w',
        ),
        'phikon': FoundationModel(
            'Phikon',
            'vit_base_patch16_224',
            768,
            source='owkin/phikon',
            licence="Owkin's non-commercial licence",
            trained_on=TCGA,
            described='doi 10.1101/2023.07.21.23292757',
            layout='transformers',
        ),
        'phikon-v2': FoundationModel(
            'Phikon-v2',
            'vit_large_patch16_224',
            1024,
            dict(init_values=1e-5),
            source='owkin/phikon-v2',
            licence="Owkin's non-commercial licence",
            trained_on='over 100 public collections of slides, TCGA, CPTAC and GTEx among them; which others, its page '
            'does not say',
            described='arXiv 2409.09173',
            layout='transformers',
            overlaps=('PCam',),
        ),
        'hibou-b': _hibou('b', 'vit_base_patch14_reg4_dinov2', 768, 4096),
        'hibou-l': _hibou('L', 'vit_large_patch14_reg4_dinov2', 1024, 5472),
        'midnight': FoundationModel(
            'Midnight-12k',
            'vit_giant_patch14_dinov2',
            1536,
            dict(img_size=224),
            HALF,
            'kaiko-ai/midnight',
            'MIT',
            TCGA,
            layout='transformers',
            pooling='cls+mean',
            described='arXiv 2504.05186',
        ),
        'midnight-92k': FoundationModel(
            'Midnight-92k', refused='its weights are not public; midnight is the one that is'
        ),
        'conch': FoundationModel(
            'CONCH',
            source='MahmoodLab/CONCH',
            refused='it is an image-and-text model that its own package builds, with names that neither timm nor '
            'transformers has',
        ),
    }
)


def foundation_model(name: str) -> FoundationModel:
    """The card of a name.

    Raises:
        UserError: There is none, or the model cannot be used here.
    """
    if name not in FOUNDATION_MODELS:
        close = difflib.get_close_matches(str(name), FOUNDATION_MODELS, n=3, cutoff=0.5)
        raise UserError(
            f'There is no card of a foundation model {name!r}.',
            looked_for=', '.join(FOUNDATION_MODELS),
            remedy=f'did you mean {" or ".join(close)}?' if close else 'write one, in sdp_plugin/catalogue',
        )
    card = FOUNDATION_MODELS[name]
    if card.refused:
        raise UserError(f'{card.title} cannot be used here: {card.refused}.')
    return card
