"""Classic augmentation: what each way changes, and that it changes each image its own way."""

import pytest
import torch
from PIL import Image

from fewgan.metrics.augment import AUGMENTS, CHANGES, PICTURE_CHANGES, REACH


def images(n=64, channels=3, side=32, value=None):
    if value is not None:
        return torch.full((n, channels, side, side), value, dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, channels, side, side), generator=generator).to(torch.uint8)


def changed(name, x, flip=False, seed=0):
    return AUGMENTS[name](x, flip, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", AUGMENTS)
def test_bytes_in_bytes_out_and_the_seed_decides(name, channels):
    x = images(channels=channels)
    before = x.clone()
    made = changed(name, x)
    assert made.shape == x.shape
    assert made.dtype == torch.uint8
    assert torch.equal(x, before)
    assert torch.equal(made, changed(name, x))
    assert not torch.equal(made, changed(name, x, seed=1))


def test_a_crop_is_the_image_moved_with_black_coming_in():
    x = images()
    made = changed("flip-crop", x)
    reach = 32 // REACH
    padded = torch.nn.functional.pad(x, (reach,) * 4)
    every = [padded[:, :, i : i + 32, j : j + 32] for i in range(2 * reach + 1) for j in range(9)]
    alike = torch.stack([(made == way).flatten(1).all(1) for way in every])
    assert (alike.sum(0) == 1).all()
    assert len(alike.float().argmax(0).unique()) > 30  # each its own way


def test_an_image_is_mirrored_only_where_that_is_as_likely():
    ramp = torch.arange(32, dtype=torch.uint8).expand(400, 1, 32, 32).contiguous()
    rising = (changed("flip-crop", ramp).int().diff(dim=3)[:, :, 16, 8:24] >= 0).all(2).flatten()
    assert rising.all()
    rising = changed("flip-crop", ramp, flip=True).int().diff(dim=3)[:, 0, 16, 8:24] >= 0
    assert 150 < int(rising.all(1).sum()) < 250


def test_cutout_hides_half_a_side_even_at_the_top_left():
    made = changed("cutout", images(500, value=255))
    hidden = (made == 0).float().mean((1, 2, 3))
    assert hidden.min() >= 0.0625  # a corner of the square, at the least
    assert hidden.max() <= 0.25 + 1 - (28 / 32) ** 2 + 1e-6
    plain = changed("flip-crop", images(500, value=255))
    assert (made <= plain).all()


def test_erasing_takes_between_a_fiftieth_and_two_fifths_of_every_second_image():
    x = images(600, value=7)
    made, plain = changed("erasing", x), changed("flip-crop", x)
    share = (made != plain).float().mean((1, 2, 3))
    assert 240 < int((share > 0).sum()) < 360
    assert share.max() <= 0.4
    # E of the area is 0.21, less a little where a side does not fit; noise equals 7 in 1 of 256.
    assert 0.18 < share[share > 0].mean() < 0.22


def test_randaugment_takes_two_of_fourteen():
    assert (len(PICTURE_CHANGES), CHANGES) == (14, 2)
    picture = Image.fromarray(images(1)[0].permute(1, 2, 0).numpy())
    same = PICTURE_CHANGES[0](picture, 0.3)
    assert same.tobytes() == picture.tobytes()
    for change in PICTURE_CHANGES[1:]:
        assert change(picture, 0.3).size == picture.size
    left = PICTURE_CHANGES[12](picture, 10 / (0.45 * 32))  # ten pixels
    shifted = torch.frombuffer(bytearray(left.tobytes()), dtype=torch.uint8).view(32, 32, 3)
    assert torch.equal(shifted[:, :22].permute(2, 0, 1), images(1)[0][:, :, 10:])
