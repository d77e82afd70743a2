"""Images with labels, from files or embedded, checked and held as one uint8 tensor a split."""

from torchlgg.data._augment import random_crop_flip
from torchlgg.data._batches import batches
from torchlgg.data._image_set import ImageSet
from torchlgg.data._open import Splits, open_images
from torchlgg.data._validation import ValidationSplit, split_validation

__all__ = [
    "ImageSet",
    "Splits",
    "ValidationSplit",
    "batches",
    "open_images",
    "random_crop_flip",
    "split_validation",
]
