"""What a run was shown, with what the runs before it were shown, whose classes it keeps."""

import torch

import fewgan
from fewgan.benchmark.evaluation import real_images, unseen
from fewgan.report.filtering import levelling
from fewgan.training import selection

QUICK = {"size": 16, "steps": 2, "batch_size": 8, "check_images": 40, "progress": False}


def test_a_run_that_keeps_classes_was_shown_those_of_its_source_too(tmp_path):
    first = fewgan.train(
        "acgan", "digits", out=tmp_path / "a", width=4, classes="0,1", shots=5, **QUICK
    )
    later = fewgan.adapt(
        first, "mergan-ra", "digits", out=tmp_path / "b", classes="7", shots=3, **QUICK
    )
    shown = selection.shown_images(later.folder)
    assert shown.class_names[:2] == ("0", "1")
    assert shown.counts() == [5, 5, *[3] * (len(shown.class_names) - 2)]
    before = selection.shown_images(first.folder)
    assert torch.equal(shown.images[:10], before.images)
    answer = fewgan.uplift(later, "digits", seeds=1, updates=1, progress=False)
    assert answer["card"]["generator_saw"] == len(shown)
    reference = unseen(real_images(later, "digits").reference, shown)
    assert answer["card"]["tested"] == len(reference)
    seen = {image.numpy().tobytes() for image in shown.images}
    assert not any(image.numpy().tobytes() in seen for image in reference.images)
    lacking = levelling(later)
    assert [lacking["0"], lacking["1"]] == [0, 0]
