"""Images with labels, from files or embedded, checked; as one uint8 tensor a split, or on disk."""

from torchlgg.data._augment import random_crop_flip
from torchlgg.data._balanced import balanced_batches
from torchlgg.data._batches import batches
from torchlgg.data._config import DataConfig, DataSplits
from torchlgg.data._dataset import from_dataset
from torchlgg.data._image_files import ImageFiles
from torchlgg.data._image_set import ImageSet
from torchlgg.data._open import Splits, open_images
from torchlgg.data._source import ImageSource
from torchlgg.data._validation import ValidationSplit, split_validation

__all__ = [
    "DataConfig",
    "DataSplits",
    "ImageFiles",
    "ImageSet",
    "ImageSource",
    "Splits",
    "ValidationSplit",
    "balanced_batches",
    "batches",
    "from_dataset",
    "open_images",
    "random_crop_flip",
    "split_validation",
]
