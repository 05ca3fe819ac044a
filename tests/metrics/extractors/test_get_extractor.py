import subprocess
import sys

import pytest
import torch

from fewgan import data
from fewgan.errors import InputError
from fewgan.metrics.extractors import EXTRACTORS, default_extractor, get_extractor


def test_unknown_name_gets_the_nearest():
    with pytest.raises(InputError, match="did you mean 'imagenet-mid'"):
        get_extractor("imagenet_mid")


def test_defaults_exist():
    assert {default_extractor(c) for c in (1, 3)} <= set(EXTRACTORS)


def test_in_domain_needs_data_with_classes(blobs):
    with pytest.raises(InputError, match="name a data set"):
        get_extractor("in-domain")
    with pytest.raises(InputError, match="two classes or more"):
        get_extractor(
            "in-domain", data=data.ImageSet(blobs.images, -torch.ones(40).long(), (), "x")
        )


def test_a_broken_torchvision_breaks_nothing(tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise RuntimeError('no such operator')")
    script = (
        "import fewgan.metrics.suite, fewgan.metrics.extractors as e, torch\n"
        "x = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)\n"
        "print(e.get_extractor('imagenet-mid').features(x).shape)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "[2, 112]" in found.stdout
