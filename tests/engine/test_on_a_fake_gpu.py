"""What a GPU would run, on one that knows shapes and devices alone: nothing is read back, and nothing lies elsewhere.

PyTorch's fake tensors refuse to be read and to be mixed with those of another device. Kernels, streams and graphs are
left to the tests with the mark ``gpu``, and so is the backward pass, which needs a driver even for fake tensors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import FUNCTIONS, MODELS, TRANSFORMS, DefaultScope
from small_swin import SMALL_SWIN
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from sdp_plugin.engine.in_memory.augmentation import batched, settings_from_pipeline
from sdp_plugin.engine.in_memory.batches import InputNormalisation, TrainingBatches
from sdp_plugin.engine.in_memory.images import ImagesInMemory
from sdp_plugin.engine.in_memory.step import TrainingStep, class_scores
from sdp_plugin.engine.optimisers import fuse
from sdp_plugin.engine.precision import autocast
from sdp_plugin.settings import load_config

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
RESNET, SWIN = 'resnet34_1xb32-100e_pcam.py', 'swin-tiny_1xb32-100e_pcam.py'
OTHERS = sorted({path.name for path in CONFIGS.glob('finetune/*_pcam.py')} - {RESNET, SWIN})
CASES = [
    (RESNET, 'float32', {}),
    (RESNET, 'bfloat16', {}),
    ('resnet34_1xb32-200e_crc.py', 'bfloat16', {}),
    pytest.param(
        SWIN, 'bfloat16', {key: value for key, value in SMALL_SWIN.items() if key.startswith('model.')}, id='small Swin'
    ),
    *(pytest.param(leaf, 'bfloat16', {}, marks=pytest.mark.slow) for leaf in (SWIN, *OTHERS)),
]
# SegNeXt's decomposition draws numbers on the host, see LightHamHead.
OTHER_PRETRAINING = sorted(
    path.name
    for path in CONFIGS.glob('pretrain/*_voc12-scribbles-321x321.py')
    if not path.name.startswith(('deeplabv2_r34', 'segnext'))
)
PRETRAINING = [
    'deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py',
    'resnet34_1xb10-40k_voc12-classes-321x321.py',
    *(pytest.param(leaf, marks=pytest.mark.slow) for leaf in OTHER_PRETRAINING),
]
GPU = torch.device('cuda', 0)
COUNT = 70  # two batches and a smaller one


class _Loader:
    sampler = range(COUNT)
    batch_size = 32

    def __len__(self) -> int:
        return -(-COUNT // self.batch_size)


class _NothingBetweenHostAndDevice(TorchDispatchMode):
    """Refuses copies from and to the host, which make it wait. Operations may take single numbers of the host."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        given, made = _tensors((args, kwargs)), _tensors(result)
        on_host = [tensor for tensor in given if tensor.device.type == 'cpu']
        copies = any(word in str(func) for word in ('_to_copy', 'copy_'))
        from_host = on_host if copies else [tensor for tensor in on_host if tensor.dim()]
        assert not from_host, f'{func} takes {[tuple(tensor.shape) for tensor in from_host]} from the host'
        to_host = [tensor for tensor in made if tensor.device.type == 'cpu' and len(on_host) < len(given)]
        assert not to_host, f'{func} brings {[tuple(tensor.shape) for tensor in to_host]} to the host'
        return result


def _tensors(tree: object) -> list[torch.Tensor]:
    return [leaf for leaf in tree_flatten(tree)[0] if isinstance(leaf, torch.Tensor)]


@pytest.fixture
def fake_gpu(monkeypatch):
    """The mode in which tensors may say that they are on a GPU."""
    batched._tables.cache_clear()
    monkeypatch.setattr(torch.Tensor, 'pin_memory', _pinned)
    # Without a driver autocast would compute in float32, with no more than a warning.
    monkeypatch.setattr('torch.cuda.amp.common.amp_definitely_not_available', lambda: False)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda *args: True)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        try:
            torch.empty(1, device=GPU)
        except RuntimeError as error:
            pytest.skip(f'PyTorch {torch.__version__} fakes no GPU without a driver: {error}')
        yield mode
    batched._tables.cache_clear()


def _pinned(tensor: torch.Tensor) -> torch.Tensor:
    assert tensor.device.type == 'cpu', 'PyTorch pins memory of the host alone'
    return tensor.clone()


@pytest.fixture
def without_backward(monkeypatch):
    """``without_backward(model)``: its gradients are there after ``backward``, and nothing ran."""

    def give_gradients(model: nn.Module) -> None:
        def backward(loss: torch.Tensor) -> None:
            for parameter in model.parameters():
                parameter.grad = torch.zeros_like(parameter)

        monkeypatch.setattr(torch.Tensor, 'backward', backward)

    return give_gradients


def moved(model: nn.Module) -> nn.Module:
    """The network with fake tensors of the same shapes and strides on the GPU for its own."""
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(_there(parameter), parameter.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = _there(buffer)
    return model


def types_of_convolutions(model: nn.Module) -> set[torch.dtype]:
    """A set that holds, after a forward pass, the types of what the trunk's convolutions give."""
    found: set[torch.dtype] = set()
    for module in model.backbone.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output: found.add(output.dtype))
    return found


def _there(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=GPU)


def build(cfg) -> nn.Module:
    """The network on the host, before anything is fake."""
    model = dict(cfg.model)
    if 'data_preprocessor' not in model:  # MMPretrain's configs have it beside the network
        model['data_preprocessor'] = {'type': 'ClsDataPreprocessor', **cfg.data_preprocessor}
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(model).to(memory_format=torch.channels_last)


@pytest.mark.parametrize(('leaf', 'computed_in', 'options'), CASES)
def test_a_step_stays_on_the_device(leaf, computed_in, options, request):
    precision = torch.bfloat16 if computed_in == 'bfloat16' else None
    cfg = load_config(CONFIGS / 'finetune' / leaf, options)
    model = build(cfg)
    request.getfixturevalue('fake_gpu')
    request.getfixturevalue('without_backward')(moved(model))
    size = cfg.get('input_size', 96)
    images = torch.zeros(COUNT, size, size, 3, dtype=torch.uint8, device=GPU)
    images = ImagesInMemory(images, torch.zeros(COUNT, dtype=torch.int64, device=GPU))
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        _, augmentation = settings_from_pipeline(cfg.train_dataloader.dataset.pipeline)
    fuse(wrapper.optimizer, GPU, capturable=True)
    computed = types_of_convolutions(model)
    step = TrainingStep(model.train(), wrapper, precision)
    batches = TrainingBatches(_Loader(), images, augmentation, InputNormalisation(model), seed=0)
    sizes = []
    for inputs, labels in batches.of_epoch(0):
        assert inputs.is_contiguous(memory_format=torch.channels_last)
        with _NothingBetweenHostAndDevice():
            assert step(inputs, labels).device == inputs.device == labels.device == GPU
        sizes.append(len(inputs))
    assert sizes == [32, 32, 6]
    assert computed == {precision or torch.float32}

    model.eval()
    with torch.no_grad(), autocast(precision, GPU):
        scores = class_scores(model, InputNormalisation(model)(images.batch(torch.arange(10))))
    assert (scores.device, scores.dtype) == (GPU, torch.float32)


@pytest.mark.parametrize('leaf', PRETRAINING)
def test_a_step_of_pretraining_stays_on_the_device(leaf, request):
    cfg = load_config(CONFIGS / 'pretrain' / leaf, {})
    model = build(cfg)
    record = dict(
        img=np.zeros((321, 321, 3), np.uint8), gt_seg_map=np.zeros((321, 321), np.uint8), gt_label=np.array([3, 7])
    )
    packing = TRANSFORMS.build(cfg.train_dataloader.dataset.pipeline[-1])
    batch = FUNCTIONS.get(cfg.train_dataloader.collate_fn.type)([packing(record)] * 4)
    request.getfixturevalue('fake_gpu')
    request.getfixturevalue('without_backward')(moved(model))
    model.data_preprocessor._device = GPU
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        wrapper = build_optim_wrapper(model, {**cfg.optim_wrapper, 'precision': 'bfloat16'})
    data = model.train().data_preprocessor(batch, training=True)
    computed = types_of_convolutions(model)
    with _NothingBetweenHostAndDevice():
        # What train_step does, but for the batch, which comes from the host.
        with wrapper.optim_context(model):
            losses = model(**data, mode='loss')
        loss, to_log = model.parse_losses(losses)
        wrapper.update_params(loss)
    assert {value.device for value in to_log.values()} == {GPU}
    assert computed == {torch.bfloat16}


def test_reading_and_mixing_are_refused(fake_gpu):
    on_gpu, on_host = torch.ones(2, device=GPU), torch.ones(2)
    with pytest.raises(DataDependentOutputException):
        on_gpu.sum().item()
    with pytest.raises(RuntimeError, match='device'):
        on_gpu + on_host
    number = on_host.sum()
    with _NothingBetweenHostAndDevice():
        for values in (on_host, number):
            with pytest.raises(AssertionError, match='from the host'):
                values.to(GPU)
        with pytest.raises(AssertionError, match='to the host'):
            on_gpu.cpu()
