"""Classification accuracy score: train a classifier on generated images, test it on real ones.

Ravuri & Vinyals, "Classification Accuracy Score for Conditional Generative Models", NeurIPS 2019.
It asks what a person asks who wants the images as training data, and finds classes that a generator
has lost; IS and FID do not predict it. Compare with the same classifier trained on the real
training images, which is the honest ceiling.
"""

from dataclasses import replace

from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.metrics.accuracy import Accuracy, accuracy
from fewgan.metrics.extractors.base import Extractor, Progress
from fewgan.metrics.extractors.in_domain import Recipe, in_domain_extractor, train_classifier


def classification_accuracy_score(
    synthetic: ImageSet,
    real_test: ImageSet,
    *,
    seed: int = 0,
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> Accuracy:
    """Accuracy and recall of each class on `real_test`, of a classifier trained on `synthetic`.

    Args:
        synthetic: Labelled images to train on, generated or (for the ceiling) real; mirrored where
            the real ones may be.
        real_test: Real images of the same classes that nothing was trained on.
        seed: Of the classifier's training.
        recipe: Of the classifier's training.
        progress: Told after every training step.

    Raises:
        InputError: The classes differ, or are fewer than two.
    """
    if synthetic.class_names != real_test.class_names:
        raise InputError("the classification accuracy score needs test images of the same classes")
    synthetic = replace(synthetic, flip=real_test.flip)
    network = train_classifier(synthetic, seed=seed, recipe=recipe, progress=progress)
    return accuracy(Extractor("cas", network).logits(real_test.images), real_test.labels)


def ceiling(
    real: ImageSet, real_test: ImageSet, *, seed: int = 0, progress: Progress | None = None
) -> Accuracy:
    """The same score of real images, whose classifier is kept on disk for the next comparison."""
    judge = in_domain_extractor(real, seed=seed, progress=progress)
    return accuracy(judge.logits(real_test.images), real_test.labels)
