"""What a person sees while a run trains."""

import io

import pytest
from rich.console import Console

import fewgan
from fewgan.errors import InputError
from fewgan.training.progress import Bar

OPTIONS = {"size": 16, "width": 4, "batch_size": 8, "check_images": 20, "progress": False}


def test_the_bar_shows_rate_time_left_checks_and_alarms():
    text = io.StringIO()
    bar = Bar("acgan on digits", Console(file=text, width=100, force_terminal=True))
    bar.started(0, 0.0)
    bar.stepped(4, 0.4, 1234.0)
    bar.logged({"step": 4, "alarm": "collapse: 3 of 10 classes"})
    line = {"step": 5, "kid": 0.0123, "diversity": 0.9, "diversity_min": 0.7, "best": True}
    bar.checked({**line, "images": 320, "seconds": 2.0}, None, None)
    bar.stepped(7, 0.7, 1234.0)
    bar.ended()
    shown = text.getvalue()
    for words in (
        "acgan on digits",
        "step 7, 1,234 images/s",
        "images/s",
        "left",
        "collapse: 3 of 10",
        "0.0123",
        "best",
    ):
        assert words in shown


def test_tensorboard_gets_every_number(tmp_path):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = fewgan.train(
        "acgan", "digits", out=tmp_path / "run", steps=4, log_every=2, check_every=4,
        track="tensorboard", **OPTIONS,
    )  # fmt: skip
    events = loader.EventAccumulator(str(next(run.path.rglob("events.out*")).parent))
    events.Reload()
    tags = events.Tags()["scalars"]
    assert {"d/adversarial", "g/class", "kid", "diversity_min"} <= set(tags)
    assert [event.step for event in events.Scalars("d/class")] == [2, 4]


def test_a_tracker_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("fewgan.training.progress.find_spec", lambda name: None)
    with pytest.raises(InputError, match="the tracker trackio is not installed"):
        fewgan.train("acgan", "digits", out=tmp_path / "run", steps=1, track="trackio", **OPTIONS)


def test_pictures_of_fixed_latents_are_drawn_at_every_check(tmp_path):
    run = fewgan.train("acgan", "digits", out=tmp_path / "run", steps=4, check_every=2, **OPTIONS)
    names = sorted(p.name for p in run.folder.samples.iterdir())
    assert names == ["step-0000002.png", "step-0000004.png"]
    assert (run.path / "README.md").read_text().startswith("# acgan on digits")
