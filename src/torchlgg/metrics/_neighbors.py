"""Classes by nearest neighbours. Shapes: N and M examples, D features, K neighbours, C classes."""

from __future__ import annotations

import torch
from torch import Tensor

from torchlgg.core import InputError, check_count

_TILE = 1024  # test examples whose distances to all training examples are held at once


def nearest_neighbors(train_ND: Tensor, labels_N: Tensor, test_MD: Tensor, *, k: int) -> Tensor:
    """The majority class of the k nearest training examples of each test example.

    Distances are Euclidean, of centred features in float64. A tie of classes goes to the one that
    holds the nearest of the neighbours tied.

    Args:
        train_ND: (N, D), floating.
        labels_N: (N,), whole numbers, at least 0.
        test_MD: (M, D).
        k: from 1 to N.

    Returns:
        (M,), on the device of ``labels_N``.

    Raises:
        InputError: ``k`` below 1 or above N.

    Example:
        >>> import torch
        >>> from torchlgg.metrics import nearest_neighbors
        >>> train, labels = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 1, 1])
        >>> nearest_neighbors(train, labels, torch.tensor([[0.2]]), k=2)
        tensor([0])
    """
    check_count(k, name="k", where="nearest_neighbors")
    if k > len(train_ND):
        raise InputError(
            f"nearest_neighbors: `k` must be at most the number of training examples; k={k} for "
            f"{len(train_ND)}"
        )
    mean_D = train_ND.double().mean(dim=0)
    train_ND = train_ND.double() - mean_D
    classes = int(labels_N.max()) + 1
    found = []
    for tile_MD in torch.split(test_MD.double() - mean_D, _TILE):
        nearest_MK = torch.cdist(tile_MD, train_ND).topk(k, largest=False).indices
        votes_MK = labels_N.to(nearest_MK.device)[nearest_MK]
        counts_MC = torch.nn.functional.one_hot(votes_MK, classes).sum(dim=1)
        winners_MC = counts_MC == counts_MC.amax(dim=1, keepdim=True)
        first_M = winners_MC.gather(1, votes_MK).int().argmax(dim=1)
        found.append(votes_MK.gather(1, first_M[:, None]).squeeze(1))
    return torch.cat(found).to(labels_N.device)
