"""Training loops that `fit` is measured against; each yields the mean loss of its epochs.

Shapes: N images of a batch, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, pad
from torch.utils.data import DataLoader, Dataset, RandomSampler

from torchlgg.data import ImageSet
from torchlgg.training import Objective, TrainingConfig, fit

Epochs = Iterator[float]


def ours(objective: Objective, train: ImageSet, config: TrainingConfig) -> Epochs:
    """`fit`, whose report names the mean of each term."""
    for report in fit(objective, train, config):
        yield sum(report.terms.values())


class Pixels(Dataset):
    """Images and labels as torchvision's CIFAR-10 gives them, one by one, through a transform."""

    def __init__(self, train: ImageSet, transform: Callable[[Tensor], Tensor]) -> None:
        self._train, self._transform = train, transform

    def __len__(self) -> int:
        return len(self._train)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self._transform(self._train.images[place]), int(self._train.labels[place])


def image_transform(train: ImageSet, config: TrainingConfig) -> Callable[[Tensor], Tensor]:
    """Crop, flip and normalise one image, by torchvision."""
    from torchvision.transforms import v2

    return v2.Compose(
        [
            v2.RandomCrop(train.shape[1:], padding=config.crop_padding),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(train.mean, train.std),
        ]
    )


def shuffled(config: TrainingConfig, count: int) -> RandomSampler:
    """The order of `fit`, in the first epoch."""
    return RandomSampler(range(count), generator=torch.Generator().manual_seed(config.seed))


def by_image(net: nn.Module, train: ImageSet, config: TrainingConfig) -> Epochs:
    """The loop of the tutorials: a transform an image, a DataLoader in this process."""
    loader = DataLoader(
        Pixels(train, image_transform(train, config)),
        batch_size=config.batch_size,
        sampler=shuffled(config, len(train)),
    )
    return _plain(net, config, lambda: loader)


def by_batch(net: nn.Module, train: ImageSet, config: TrainingConfig) -> Epochs:
    """The quickest loop of plain torch that we know: a DataLoader whose collate does a batch."""
    mean = torch.tensor(train.mean).view(-1, 1, 1)
    scale = 1 / (255 * torch.tensor(train.std).view(-1, 1, 1))
    padding = config.crop_padding
    height, width = train.shape[1:]

    def collate(places: Sequence[int]) -> tuple[Tensor, Tensor]:
        index_N = torch.tensor(places)
        framed = pad(train.images[index_N], (padding,) * 4)
        images = torch.empty(len(places), *train.shape, dtype=torch.uint8)
        offsets = torch.randint(2 * padding + 1, (len(places), 2)).tolist()
        for place, (top, left) in enumerate(offsets):
            images[place] = framed[place, :, top : top + height, left : left + width]
        mirrored = torch.rand(len(places)) < 0.5
        images[mirrored] = images[mirrored].flip(-1)
        return images.float().sub_(255 * mean).mul_(scale), train.labels[index_N]

    loader = DataLoader(
        range(len(train)),  # type: ignore[arg-type]
        batch_size=config.batch_size,
        sampler=shuffled(config, len(train)),
        collate_fn=collate,
    )
    return _plain(net, config, lambda: loader)


def whole(train: ImageSet, config: TrainingConfig) -> Callable[[], Iterator[tuple[Tensor, Tensor]]]:
    """Batches of images that were normalised once, for all epochs, in the order of `fit`."""
    order = torch.Generator().manual_seed(config.seed)
    images = train.normalize(train.images)

    def epoch() -> Iterator[tuple[Tensor, Tensor]]:
        for index_N in torch.randperm(len(images), generator=order).split(config.batch_size):
            yield images[index_N], train.labels[index_N]

    return epoch


def prepared(net: nn.Module, train: ImageSet, config: TrainingConfig) -> Epochs:
    """A bare loop over batches that only need to be picked: no DataLoader, no augmentation."""
    return _plain(net, config, whole(train, config))


def _plain(net: nn.Module, config: TrainingConfig, batches: Callable) -> Epochs:
    net.train()
    optimizer = _sgd(net, config)
    while True:
        losses = []
        for images, labels_N in batches():
            optimizer.zero_grad()
            loss = cross_entropy(net(images), labels_N)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        yield float(torch.stack(losses).mean())


def _sgd(net: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        net.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )


def box(
    teacher: nn.Module,
    student: nn.Module,
    train: ImageSet,
    config: TrainingConfig,
    *,
    loss: str,
    feeds_itself: bool,
) -> Epochs:
    """torchdistill's distillation box, in the loop of its examples.

    Args:
        teacher: changed by the box, which freezes it.
        student: trained.
        train: the images.
        config: the schedule.
        loss: a name in :data:`LOSSES`.
        feeds_itself: by its own loader with torchvision's transforms, as in its examples; else
            the box is given whole batches, as in :func:`prepared`.
    """
    import logging

    from torchdistill.core.distillation import get_distillation_box

    logging.getLogger("torchdistill").setLevel(logging.WARNING)
    terms = LOSSES[loss]
    if "sp" in terms:
        terms = {
            **terms,
            "sp": {**terms["sp"], "criterion": published_sp(terms["sp"]["criterion"]["kwargs"])},
        }
    net = {"forward_proc": "forward_batch_only", "forward_hook": {"output": [LAST_MAP]}}
    setting = {
        "num_epochs": config.epochs,
        "train_data_loader": {
            "dataset_id": "train",
            "sampler": {
                "class_or_func": lambda dataset: shuffled(config, len(dataset)),
            },
            "kwargs": {"batch_size": config.batch_size, "num_workers": 0},
        },
        "teacher": {**net, "requires_grad": False},
        "student": dict(net),
        "optimizer": {
            "key": "SGD",
            "kwargs": {
                "lr": config.learning_rate,
                "momentum": config.momentum,
                "weight_decay": config.weight_decay,
            },
        },
        "criterion": {"key": "WeightedSumLoss", "kwargs": {"sub_terms": terms}},
    }
    images = {"train": Pixels(train, image_transform(train, config))}
    made = get_distillation_box(
        teacher.eval(), student, images, setting, torch.device("cpu"), None, False, 1.0
    )
    batches = whole(train, config)
    for epoch in range(config.epochs):
        made.pre_epoch_process(epoch=epoch)
        losses = []
        feed = made.train_data_loader if feeds_itself else batches()
        for images_NCHW, labels_N, *supplement in feed:
            value = made.forward_process(
                images_NCHW, targets=labels_N, supp_dict=supplement[0] if supplement else None
            )
            made.post_forward_process(loss=value)
            losses.append(value.item())  # for its log, in its examples
        made.post_epoch_process()
        yield sum(losses) / len(losses)


def published_sp(settings: dict) -> nn.Module:
    """torchdistill's SP with rows of Euclidean norm 1, as published.

    torchdistill 1.1.5 divides them by the sum of their entries (``normalize(x, 1)`` is its p = 1)
    and so goes down another loss at the same cost.
    """
    from torchdistill.losses.mid_level import SPKDLoss

    class Published(SPKDLoss):
        def matmul_and_normalize(self, z: Tensor) -> Tensor:
            flat = z.flatten(1)
            return normalize(flat @ flat.T, dim=1)

    return Published(**settings)


LAST_MAP = "layer3"
"""What SP compares: the last feature map, as published and in torchdistill's examples."""

_LABELS = {
    "criterion": {"key": "CrossEntropyLoss", "kwargs": {"reduction": "mean"}},
    "criterion_wrapper": {
        "key": "SimpleLossWrapper",
        "kwargs": {
            "input": {"is_from_teacher": False, "module_path": ".", "io": "output"},
            "target": {"uses_label": True},
        },
    },
    "weight": 1.0,
}

_LOGITS = {
    f"{side}_module_{what}": value
    for side in ("student", "teacher")
    for what, value in (("path", "."), ("io", "output"))
}

LOSSES = {
    # α CE + β τ² KL in one module: cross-entropy + 16 KL, as with the weight 16 of ours
    "hkd": {
        "kd": {
            "criterion": {
                "key": "KDLoss",
                "kwargs": {**_LOGITS, "temperature": 4.0, "alpha": 1.0, "beta": 1.0},
            },
            "weight": 1.0,
        }
    },
    # "batchmean" divides by N², as ours does
    "sp": {
        "ce": _LABELS,
        "sp": {
            "criterion": {
                "key": "SPKDLoss",
                "kwargs": {
                    "student_output_path": LAST_MAP,
                    "teacher_output_path": LAST_MAP,
                    "reduction": "batchmean",
                },
            },
            "weight": 3000.0,
        },
    },
}
"""The same sums as `Distill(losses=(name,))`, as torchdistill is told of them."""
