from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from sdp_plugin.engine import weight_gradients
from sdp_plugin.engine.weight_gradients import weight_gradients_by_products

GEOMETRIES = {
    '3 x 3': dict(kernel_size=3, padding=1),
    'strided': dict(kernel_size=3, padding=1, stride=2),
    'dilated': dict(kernel_size=3, padding=4, dilation=4),
    'without padding': dict(kernel_size=3),
    '1 x 1': dict(kernel_size=1),
    '1 x 1 strided': dict(kernel_size=1, stride=2),
    'rectangular': dict(kernel_size=(1, 5), padding=(0, 2), stride=(2, 1), dilation=(1, 2)),
    'with bias': dict(kernel_size=3, padding=1, bias=True),
}


@pytest.fixture(autouse=True)
def has_avx512(monkeypatch):
    """Whether the processor is said to have it; without, products serve maps of any size."""
    flags = SimpleNamespace(value=False)
    monkeypatch.setattr(weight_gradients, '_has_avx512', lambda: flags.value)
    return flags


def _gradients(model: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    inputs = inputs.clone(memory_format=torch.preserve_format).requires_grad_()
    model.zero_grad()
    (model(inputs) ** 2).sum().backward()
    return [inputs.grad, *(parameter.grad.clone() for parameter in model.parameters())]


@pytest.mark.parametrize('memory_format', [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize('geometry', GEOMETRIES.values(), ids=GEOMETRIES)
def test_gradients_are_those_of_the_library(geometry, memory_format):
    torch.manual_seed(0)
    convolution = nn.Conv2d(32, 8, **({'bias': False} | geometry)).double().to(memory_format=memory_format)
    inputs = torch.randn(3, 32, 13, 11, dtype=torch.float64).contiguous(memory_format=memory_format)
    expected = _gradients(convolution, inputs)
    with weight_gradients_by_products(convolution):
        found = _gradients(convolution, inputs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('images', [1, 2, 5])
def test_columns_of_a_few_images_at_a_time_add_up(monkeypatch, images):
    torch.manual_seed(0)
    inputs, gradient = torch.randn(5, 32, 6, 6), torch.randn(5, 4, 6, 6)
    geometry = ((3, 3), (1, 1), (1, 1), (1, 1))
    whole = weight_gradients.weight_gradient(inputs, gradient, *geometry)
    monkeypatch.setattr(weight_gradients, 'BYTES_OF_COLUMNS', images * 36 * 9 * 32 * 4)
    torch.testing.assert_close(weight_gradients.weight_gradient(inputs, gradient, *geometry), whole)


def test_the_forward_pass_is_the_same_bit_for_bit():
    convolution, inputs = nn.Conv2d(32, 8, 3), torch.randn(2, 32, 9, 9)
    expected = convolution(inputs)
    with weight_gradients_by_products(convolution):
        assert torch.equal(convolution(inputs), expected)


def test_frozen_weights_cost_no_product(monkeypatch):
    products = []
    monkeypatch.setattr(
        weight_gradients, 'weight_gradient', lambda *args: products.append(args) or torch.zeros(32, 32, 3, 3)
    )
    first, frozen = nn.Conv2d(32, 32, 3), nn.Conv2d(32, 32, 3).requires_grad_(False)
    with weight_gradients_by_products(nn.Sequential(first, frozen)):
        frozen(first(torch.randn(2, 32, 9, 9))).sum().backward()
    assert len(products) == 1
    assert first.weight.grad is not None
    assert frozen.weight.grad is None


def test_a_convolution_may_be_used_twice():
    torch.manual_seed(0)
    twice = nn.Conv2d(32, 32, 3, padding=1)
    model = nn.Sequential(twice, nn.ReLU(), twice)
    inputs = torch.randn(2, 32, 6, 6)
    expected = _gradients(model, inputs)
    with weight_gradients_by_products(model):
        found = _gradients(model, inputs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('copied', [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_and_files_hold_ordinary_convolutions(copied):
    model, inputs = nn.Sequential(nn.Conv2d(32, 8, 3)), torch.randn(2, 32, 9, 9)
    with weight_gradients_by_products(model):
        other = copied(model)
    assert type(other[0]) is nn.Conv2d
    assert torch.equal(other(inputs), model(inputs))


@pytest.mark.parametrize('bytes_of_columns', [1, 8 * 2**20], ids=['an image at a time', 'at once'])
def test_under_autocast_gradients_are_those_of_the_rounded_factors(monkeypatch, bytes_of_columns):
    torch.manual_seed(0)
    monkeypatch.setattr(weight_gradients, 'BYTES_OF_COLUMNS', bytes_of_columns)
    convolution = nn.Conv2d(32, 32, 3, padding=1).to(memory_format=torch.channels_last)
    # Whole numbers, which bfloat16 holds exactly; many images, whose sum in bfloat16 would lose terms.
    inputs = torch.randint(-3, 4, (200, 32, 4, 4)).float().contiguous(memory_format=torch.channels_last)
    upstream = torch.randint(-1, 2, (200, 32, 4, 4)).float()
    (convolution(inputs) * upstream).sum().backward()
    expected = [parameter.grad.clone() for parameter in convolution.parameters()]
    convolution.zero_grad()
    with weight_gradients_by_products(convolution), torch.autocast('cpu', torch.bfloat16):
        outputs = convolution(inputs)
        (outputs * upstream).sum().backward()
    assert outputs.dtype == torch.bfloat16
    for found, value in zip((parameter.grad for parameter in convolution.parameters()), expected, strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, value, rtol=2**-8, atol=0.5)


@pytest.mark.parametrize(
    ('in_bfloat16', 'avx512', 'outputs', 'size', 'products'),
    [
        (True, True, 32, 8, 1),
        (True, True, 32, 9, 0),
        (True, True, 21, 8, 0),
        (False, True, 21, 3, 1),
        (False, True, 32, 4, 0),
        (False, False, 21, 9, 1),
    ],
)
def test_where_the_library_is_faster_it_is_left_to_it(
    monkeypatch, has_avx512, in_bfloat16, avx512, outputs, size, products
):
    has_avx512.value = avx512
    made = []
    product = weight_gradients.weight_gradient
    monkeypatch.setattr(weight_gradients, 'weight_gradient', lambda *args: made.append(args) or product(*args))
    convolution = nn.Conv2d(32, outputs, 3, padding=1)
    with weight_gradients_by_products(convolution), torch.autocast('cpu', torch.bfloat16, enabled=in_bfloat16):
        convolution(torch.randn(2, 32, size, size)).sum().backward()
    assert len(made) == products
    assert convolution.weight.grad.abs().sum() > 0


def test_what_the_product_does_not_serve_is_left_to_the_library():
    convolution, inputs = nn.Conv2d(32, 8, 3), torch.randn(2, 32, 9, 9)
    with weight_gradients_by_products(convolution):
        with torch.no_grad():
            assert torch.equal(convolution(inputs), nn.functional.conv2d(inputs, convolution.weight, convolution.bias))
        assert convolution(inputs[0]).shape == (8, 7, 7)
        assert convolution(inputs[:0]).shape == (0, 8, 7, 7)


def test_other_convolutions_are_left_alone_and_all_are_as_before_at_the_end():
    class Own(nn.Conv2d):
        pass

    served = nn.Conv2d(32, 8, 3)
    others = [
        nn.Conv2d(3, 8, 3),
        nn.Conv2d(32, 32, 3, groups=2),
        nn.Conv2d(32, 8, 3, padding=1, padding_mode='reflect'),
        nn.Conv2d(32, 8, 3, padding='same'),
        Own(32, 8, 3),
    ]
    model = nn.Sequential(served, *others)
    kinds = [type(module) for module in model]
    within = []

    def fail_in_between() -> None:
        with weight_gradients_by_products(model):
            within.extend(type(module) for module in model)
            raise RuntimeError('in between')

    with pytest.raises(RuntimeError, match='in between'):
        fail_in_between()
    assert within[0] is not nn.Conv2d
    assert within[1:] == kinds[1:]
    assert [type(module) for module in model] == kinds
