"""What embeddings are worth: simple classifiers on top of them, each a line of the papers' tables.

Shapes: N training examples, M test examples, D features, K neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from torchlgg.activations import capture
from torchlgg.core import InputError, check_labels, feature_matrix
from torchlgg.data import ImageSource
from torchlgg.evaluation._share import share
from torchlgg.metrics import nearest_neighbors, proportion_interval
from torchlgg.records import DataDescription, Measurement, Result
from torchlgg.training import over_batches


def embed(
    net: nn.Module,
    images: ImageSource,
    *,
    tap: str,
    batch_size: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """The representations of every image at one layer, in order, in eval mode.

    Maps (N, C, H, W) are averaged over their places and sequences (N, T, D) over their tokens.

    Args:
        net: any network; its own mode comes back after.
        images: normalised with the set's own statistics, batch by batch.
        tap: the layer's module path, as for :func:`~torchlgg.capture`.
        batch_size: how many images at once.
        progress: told (done, total) images.

    Returns:
        (N, D), on the device of the network.

    Raises:
        InputError: an unknown layer, or one that runs more than once in a forward pass.

    Example:
        >>> from torchlgg.data import open_images
        >>> from torchlgg.evaluation import embed
        >>> from torchlgg.nets import build_net
        >>> net = build_net("small_cnn-4", num_classes=10, in_channels=1)
        >>> embed(net, open_images("digits").test, tap="pool").shape
        torch.Size([359, 16])
    """

    def tapped(inputs: Tensor) -> Tensor:
        with capture(net, [tap], pool="mean") as taps:
            net(inputs)
        if len(taps) != 1:
            raise InputError(
                f"`tap` must be one output, but {tap!r} gives {len(taps)}: {', '.join(taps)}"
            )
        return next(iter(taps.values())).flatten(1)

    return over_batches(net, images, tapped, batch_size=batch_size, progress=progress)


def evaluate_embeddings(
    train: Tensor,
    train_labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    *,
    subject: str,
    source: str,
    tags: Mapping[str, str] | None = None,
) -> Result:
    """The test errors of four classifiers on fixed embeddings.

    Args:
        train: (N, D), N ≥ 10.
        train_labels: (N,), whole numbers.
        test: (M, D).
        test_labels: (M,).
        subject: what the result is of, in words.
        source: the data, in words.
        tags: for the result.

    Returns:
        A result with ``1-NN error`` and ``10-NN error`` (Euclidean, majority; a tie goes to the
        class of the nearest of those tied), ``linear probe error`` (multinomial logistic
        regression, L2 with C = 1, on standardised features) and ``RBF SVC error`` (C = 1,
        γ = 1 / (D · variance), scikit-learn's defaults), in percent with Wilson's 95 % interval.

    Raises:
        InputError: fewer than ten training examples or a single class among them, embeddings of
            different widths, labels of another length, or NaN or infinity.

    Example:
        >>> import torch
        >>> from torchlgg.evaluation import evaluate_embeddings
        >>> points = torch.tensor([[0.0], [1.0]]).repeat(10, 1) + torch.arange(20)[:, None] / 100
        >>> labels = torch.arange(20) % 2
        >>> result = evaluate_embeddings(points, labels, points[:4], labels[:4], subject="two",
        ...     source="by hand")
        >>> [(m.name, m.value) for m in result.measurements][:2]
        [('1-NN error', 0.0), ('10-NN error', 0.0)]

    Reference:
        Lassance, Gripon, Ortega, Algorithms 14(2):39 (2021).
    """
    where = "evaluate_embeddings"
    train_ND = feature_matrix(train, name="train", where=where)
    test_MD = feature_matrix(test, name="test", where=where)
    check_labels(train_labels, count=len(train_ND), where=where)
    check_labels(test_labels, count=len(test_MD), where=where)
    if train_ND.shape[1] != test_MD.shape[1]:
        raise InputError(
            f"{where}: `train` and `test` must be of one width: train has {train_ND.shape[1]} "
            f"features, test {test_MD.shape[1]}"
        )
    classes = len(torch.unique(train_labels))
    if len(train_ND) < 10 or classes < 2:
        raise InputError(
            f"{where}: `train` must hold at least ten examples of at least two classes, got "
            f"{len(train_ND)} of {classes}"
        )
    predictions = {
        "1-NN": nearest_neighbors(train_ND, train_labels, test_MD, k=1),
        "10-NN": nearest_neighbors(train_ND, train_labels, test_MD, k=10),
        **_fitted(train_ND, train_labels, test_MD),
    }
    truth = test_labels.cpu()
    return Result(
        task="evaluate embeddings",
        subject=subject,
        data=DataDescription(source=source, counts={"train": len(train_ND), "test": len(test_MD)}),
        measurements=tuple(
            _error(name, int((predicted.cpu() != truth).sum()), len(truth))
            for name, predicted in predictions.items()
        ),
        tags=dict(tags or {}),
    )


def _fitted(train_ND: Tensor, labels_N: Tensor, test_MD: Tensor) -> dict[str, Tensor]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    classifiers = {
        "linear probe": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "RBF SVC": SVC(kernel="rbf"),
    }
    train, labels, test = (tensor.cpu().numpy() for tensor in (train_ND, labels_N, test_MD))
    return {
        name: torch.from_numpy(classifier.fit(train, labels).predict(test))
        for name, classifier in classifiers.items()
    }


def _error(name: str, wrong: int, count: int) -> Measurement:
    return share(
        f"{name} error",
        proportion_interval(wrong, count),
        protocol="Test images, classified by their embeddings from those of the training images.",
    )
