import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fewgan.data import resize
from fewgan.errors import InputError


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).byte()


def test_luma_is_that_of_pillow():
    images = noise(3, 3, 9, 9)
    ours = resize.luma(images)[:, 0]
    for image, grey in zip(images, ours, strict=True):
        theirs = np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L"))
        assert np.array_equal(grey.numpy(), theirs)


@pytest.mark.parametrize("side", [8, 32, 64])
def test_resizing_is_pillows_antialiased_bicubic(side: int):
    images = noise(2, 1, 20, 20)
    ours = resize.fit(images, side, None)[:, 0].int()
    for image, resized in zip(images, ours, strict=True):
        theirs = Image.fromarray(image[0].numpy()).resize((side, side), Image.Resampling.BICUBIC)
        assert (resized - torch.from_numpy(np.array(theirs)).int()).abs().max() <= 1


def test_small_images_are_padded_not_resized():
    images = noise(4, 1, 28, 28)
    fitted = resize.fit(images, 32, None, padded=32)
    assert torch.equal(fitted[:, :, 2:30, 2:30], images)
    assert int(fitted.sum()) == int(images.sum())
    assert torch.equal(resize.fit(images, 28, None, padded=32), images)
    assert torch.equal(resize.fit(images, 64, None, padded=32), resize.resize(fitted, 64))


def test_grey_repeats_into_colour_and_back():
    images = noise(4, 1, 8, 8)
    colour = resize.fit(images, None, 3)
    assert colour.shape == (4, 3, 8, 8)
    assert colour.is_contiguous()
    assert torch.equal(resize.fit(colour, None, 1), images)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(0, 5),
    native=st.integers(4, 12),
    size=st.integers(4, 24),
    channels=st.sampled_from([(1, 1), (1, 3), (3, 1), (3, 3)]),
)
def test_any_form_becomes_the_form_asked_for(n: int, native: int, size: int, channels):
    images = torch.full((n, channels[0], native, native), 77, dtype=torch.uint8)
    fitted = resize.fit(images, size, channels[1])
    assert fitted.shape == (n, channels[1], size, size)
    assert bool((fitted == 77).all())  # a plain image stays plain


def test_chunks_give_what_one_piece_gives(monkeypatch: pytest.MonkeyPatch):
    images = noise(7, 3, 8, 8)
    whole = resize.fit(images, 16, 1)
    monkeypatch.setattr(resize, "_CHUNK", 400)
    assert torch.equal(resize.fit(images, 16, 1), whole)


@pytest.mark.parametrize(("size", "channels"), [(3, None), (0, None), (2000, 1), (32, 2)])
def test_impossible_forms_are_refused(size: int, channels: int | None):
    with pytest.raises(InputError, match="cannot be used"):
        resize.check_form(size, channels)
