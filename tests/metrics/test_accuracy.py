import pytest
import torch

from fewgan.errors import InputError
from fewgan.metrics.accuracy import accuracy


def test_worked_by_hand():
    logits = torch.eye(4)[torch.tensor([0, 0, 1, 2, 2])]
    found = accuracy(logits, torch.tensor([0, 1, 1, 2, 0]))
    assert found.overall == pytest.approx(3 / 5)
    assert found.per_class[:3].tolist() == [0.5, 0.5, 1.0]
    assert found.per_class[3].isnan()


@pytest.mark.parametrize("labels", [[], [0, 4], [-1, 0]])
def test_labels_must_be_classes(labels):
    with pytest.raises(InputError, match="labelled 0 to 3"):
        accuracy(torch.zeros(len(labels), 4), torch.tensor(labels, dtype=torch.long))
