"""cyclegan: its losses by hand, its store, an exact resume, and a toy whose answer is known."""

import copy

import pytest
import torch

from fewgan import methods
from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet, to_bytes, to_float
from fewgan.errors import InputError
from fewgan.methods.cyclegan import CycleGAN, CycleGANSettings, ImageStore
from fewgan.networks.build import ImageSpec
from fewgan.training import checkpoint

SPEC = ImageSpec(3, 16, 2)
SMALL = {"width": 4, "blocks": 1, "d_layers": 1, "kept": 5}


def bars(n: int = 40, seed: int = 0) -> ImageSet:
    """n red bars on light ground, then n blue ones; places and widths are drawn."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.full((2 * n, 3, 16, 16), 230, dtype=torch.uint8)
    for i in range(2 * n):
        left = int(torch.randint(1, 11, (), generator=generator))
        width = int(torch.randint(2, 6, (), generator=generator))
        colour = torch.tensor([220, 30, 30] if i < n else [30, 30, 220], dtype=torch.uint8)
        images[i, :, :, left : left + width] = colour[:, None, None]
    return ImageSet(images, torch.arange(2).repeat_interleave(n), ("red", "blue"), "bars")


def make(**settings) -> CycleGAN:
    torch.manual_seed(0)
    return CycleGAN(CycleGANSettings(**{**SMALL, **settings}), SPEC)


def feed(batch: int = 2, images: ImageSet | None = None) -> Feed:
    return Feed(images or bars(), batch, torch.Generator().manual_seed(0))


class Constant(torch.nn.Module):
    """Answers the same number for whatever comes in, in the shape that came in."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(value))

    def forward(self, x):
        return self.value.expand_as(x)


def test_losses_by_hand():
    """Constant players: every term is an expression of five numbers."""
    model = make(cycle=10.0, identity=0.5)
    generators = model.translator.generators
    generators["a2b"], generators["b2a"] = Constant(0.25), Constant(-0.5)
    model.discriminators["a"], model.discriminators["b"] = Constant(0.75), Constant(0.5)
    real = {"a": torch.full((2, 3, 16, 16), 0.1), "b": torch.full((2, 3, 16, 16), 0.2)}
    fake, terms = model.generator_losses(real)
    assert fake["b"].unique().item() == 0.25
    assert fake["a"].unique().item() == -0.5
    expected = {
        "adversarial": (0.75 - 1) ** 2 + (0.5 - 1) ** 2,
        "cycle": 10 * (abs(-0.5 - 0.1) + abs(0.25 - 0.2)),
        "identity": 5 * (abs(0.25 - 0.2) + abs(-0.5 - 0.1)),
    }
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected)
    terms = model.discriminator_losses(real, fake)
    halves = [((d - 1) ** 2 + d**2) / 2 for d in (0.75, 0.5)]
    assert terms["adversarial"].item() == pytest.approx(sum(halves))


def test_losses_go_the_right_way_round():
    """The same terms written out plainly, with real networks and no joined batches."""
    model, source = make(), feed()
    real = {"a": source.batch_of(0), "b": source.batch_of(1)}
    g, f = model.translator.generators["a2b"], model.translator.generators["b2a"]
    fake, terms = model.generator_losses(real)
    a, b = real["a"], real["b"]
    torch.testing.assert_close(fake["b"], g(a))
    torch.testing.assert_close(fake["a"], f(b))
    judged = model.discriminators["b"](g(a)), model.discriminators["a"](f(b))
    expected = {
        "adversarial": sum((logits - 1).square().mean() for logits in judged),
        "cycle": 10 * ((f(g(a)) - a).abs().mean() + (g(f(b)) - b).abs().mean()),
        "identity": 5 * ((g(b) - b).abs().mean() + (f(a) - a).abs().mean()),
    }
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)
    assert "identity" not in make(identity=0).generator_losses(real)[1]


def test_each_player_moves_itself_only():
    model, source = make(), feed()
    for player in ("g", "d"):
        before = copy.deepcopy(model.state_dict())
        rates = {"g": 1e-3, "d": 1e-3, player: 0.0}
        for name, rate in rates.items():
            model.optimizers[name].param_groups[0]["lr"] = rate
        model.step(source)
        still = "translator.generators" if player == "g" else "discriminators"
        for name, tensor in model.named_parameters():
            assert torch.equal(before[name], tensor) == name.startswith(still), name


# --- the store --------------------------------------------------------------------------------


class Draws:
    """A feed whose uniform numbers are given."""

    def __init__(self, *rows):
        self.rows = list(rows)

    def uniform(self, *shape):
        return torch.tensor(self.rows.pop(0))


def flat(*values):
    return to_float(torch.tensor(values, dtype=torch.uint8)[:, None, None, None])


def shown(images):
    return to_bytes(images).flatten().tolist()


def test_a_store_fills_and_then_gives_an_earlier_fake_half_of_the_time():
    store = ImageStore(2, ImageSpec(1, 1, 2))
    draws = Draws(
        [[0.0, 0.9], [0.0, 0.9]],  # not asked while it fills
        [[0.4, 0.6], [0.6, 0.0], [0.1, 0.9]],
        [[0.49, 0.0]],
    )
    assert shown(store(flat(10, 20), draws)) == [10, 20]
    assert store.images.flatten().tolist() == [10, 20]
    # 30 takes the place of 20; 40 is shown and not kept; 50 takes the place of 30 just put there.
    assert shown(store(flat(30, 40, 50), draws)) == [20, 40, 30]
    assert store.images.flatten().tolist() == [10, 50]
    assert shown(store(flat(60), draws)) == [10]
    assert store.images.flatten().tolist() == [60, 50]


def test_no_store_shows_what_comes():
    store = ImageStore(0, ImageSpec(1, 1, 2))
    assert shown(store(flat(1, 2), Draws())) == [1, 2]


def test_a_killed_and_resumed_run_ends_with_the_same_bits():
    """All that is saved: the method's state, its optimisers', the feed's."""
    options = {"store": 3, "d_lr": 1e-3, "g_lr": 1e-3}
    one, source = make(**options), feed(3, bars(7))
    for _ in range(5):
        one.step(source)
    saved = {k: v.clone() for k, v in one.state_dict().items()}
    assert saved["stores.a.held"] == 3
    saved_feed = {k: v.clone() for k, v in source.state_dict().items()}
    saved_optimizers = {
        name: copy.deepcopy(checkpoint.optimizer_state(o)) for name, o in one.optimizers.items()
    }
    for _ in range(5):
        one.step(source)

    other, again = make(**options), feed(3, bars(7))
    for _ in range(2):
        other.step(again)  # what it was before must not matter
    other.load_state_dict(saved)
    again.load_state_dict(saved_feed)
    for name, optimizer in other.optimizers.items():
        checkpoint.load_optimizer_state(optimizer, *saved_optimizers[name])
    for _ in range(5):
        other.step(again)
    ends = one.state_dict(), other.state_dict()
    assert [k for k in ends[0] if not torch.equal(ends[0][k], ends[1][k])] == []
    feeds = source.state_dict(), again.state_dict()
    assert [k for k in feeds[0] if not torch.equal(feeds[0][k], feeds[1][k])] == []


# --- what it asks, and what it learns -----------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "settings", "says"),
    [
        (ImageSpec(3, 16, 10), {}, "two classes, and these data have 10"),
        (ImageSpec(3, 16, 0), {}, "two classes, and these data have 0"),
        (ImageSpec(3, 18, 2), {}, "no size 18"),
        (ImageSpec(3, 16, 2), {"d_layers": 3}, "--d-layers 3 has no room in 16 pixels: 2 at most"),
    ],
)
def test_unsuitable_data_get_one_line(spec, settings, says):
    with pytest.raises(InputError, match=says):
        CycleGAN(CycleGANSettings(width=4, **settings), spec)


def test_it_is_found_by_name_and_any_batch_size_does():
    assert methods.find("cyclegan") is CycleGAN
    assert methods.available()["cyclegan"].regime == "train"
    for batch in (1, 3):
        model, source = make(), feed(batch)
        terms = model.step(source)
        assert set(terms) == {"g/adversarial", "g/cycle", "g/identity", "d/adversarial"}
        assert source.seen == 2 * batch
        y = torch.tensor([0, 1, 1])
        images = model.sampler(model.sampler.latents(y, torch.Generator().manual_seed(0)), y)
        assert images.shape == (3, 3, 16, 16)


def test_red_bars_become_blue_bars_where_they_are():
    """Unpaired; the answer is the same bar in blue. A copy has red there, and no blue."""
    model = make(width=8, g_lr=1e-3, d_lr=1e-3)
    source = feed(4)
    for _ in range(250):
        model.step(source)
    test = to_float(bars(20, seed=9).images)
    with torch.no_grad():
        blue = model.translator.translate(test[:20], "a2b")
        red = model.translator.translate(test[20:], "b2a")
    for made, real, channel in ((blue, test[:20], 2), (red, test[20:], 0)):
        bar = real[:, 1] < 0
        difference = made[:, channel] - made[:, 2 - channel]
        assert difference[bar].mean() > 0.7  # a copy has -1.49, the answer 1.49
        assert difference[~bar].abs().mean() < 0.3
