import pytest

import fewgan

OPTIONS = {"size": 16, "width": 4, "batch_size": 8, "check_images": 20, "log_every": 2}


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory):
    """Two small runs that were trained and evaluated."""
    root = tmp_path_factory.mktemp("reports")
    runs = []
    for name in ("acgan", "dcgan"):
        out = root / name
        fewgan.train(name, "digits", out=out, steps=6, check_every=3, progress=False, **OPTIONS)
        metrics = ["kid", "prdc", "memorisation"]
        fewgan.evaluate(out, "digits", n=60, extractor="random", metrics=metrics, progress=False)
        runs.append(out)
    return runs
