"""The quick gradients against torch's own."""

import pytest

torch = pytest.importorskip("torch")

from cygnet.training.depthwise import Depthwise, input_gradient, quicken, weight_gradient  # noqa: E402
from cygnet.training.network import build  # noqa: E402


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (9, 12), (7, 7)])
def test_gradients_are_those_of_the_plain_convolution(k, stride, size):
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(6, 1, k, k))
    x = torch.randn(2, 6, *size, requires_grad=True)
    before, after = (k - 1) // 2, (k - 1) // 2 if stride == 1 else (k - 2) // 2 + 1
    ours = Depthwise(weight, stride, before, after).train()(x)
    padded = torch.nn.functional.pad(x, (before, after, before, after))
    theirs = torch.nn.functional.conv2d(padded, weight, None, stride, groups=6)
    torch.testing.assert_close(ours, theirs)
    coefficients = torch.randn_like(theirs)
    wanted = torch.autograd.grad(theirs, (padded, weight), coefficients)
    found = (
        input_gradient(coefficients, weight.detach(), padded.detach(), stride),
        weight_gradient(coefficients, weight.detach(), padded.detach(), stride),
    )
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_16_bit_floats_take_the_quick_gradients_and_32_bits_the_librarys():
    torch.manual_seed(0)
    x = torch.randn(2, 6, 9, 9)
    layer = Depthwise(torch.nn.Parameter(torch.randn(6, 1, 5, 5)), 2, 2, 2).train()
    plain = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        quick = layer(x)
    assert "Quick" in type(quick.grad_fn).__name__
    assert "Quick" not in type(plain.grad_fn).__name__
    coefficients = torch.randn_like(plain)
    (wanted,) = torch.autograd.grad(plain, layer.weight, coefficients)
    (found,) = torch.autograd.grad(quick, layer.weight, coefficients.to(quick.dtype))
    torch.testing.assert_close(found, wanted, rtol=0.02, atol=0.2)  # 8 bits of precision, sums of 50 products


def test_a_network_keeps_its_weights_and_outputs_and_loses_its_slow_convolutions():
    network = build(7, pretrained=False)
    assert sum(isinstance(m, Depthwise) for m in network.modules()) == 16  # one a block
    assert "backbone._blocks.0._depthwise_conv.weight" in network.state_dict()
    from efficientnet_lite_pytorch import EfficientNet

    plain = EfficientNet.from_name("efficientnet-lite0").eval()
    quick = EfficientNet.from_name("efficientnet-lite0").eval()
    quick.load_state_dict(plain.state_dict())
    quicken(quick)
    assert list(quick.state_dict()) == list(plain.state_dict())
    x = torch.randn(2, 3, 96, 96)
    torch.testing.assert_close(quick.extract_features(x), plain.extract_features(x))
    quick.train()
    plain.train()
    for module in (*quick.modules(), *plain.modules()):
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    quick._drop_connect_rate = plain._drop_connect_rate = None
    quick.extract_features(x).square().mean().backward()
    plain.extract_features(x).square().mean().backward()
    for (name, a), b in zip(quick.named_parameters(), plain.parameters(), strict=True):
        if b.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-5, msg=name)
