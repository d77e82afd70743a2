"""Images made worse in the 15 + 4 ways of CIFAR-10-C and ImageNet-C, the same at every call."""

from torchlgg.corruptions._corrupt import corrupt
from torchlgg.corruptions._names import corruption_names
from torchlgg.corruptions._open import CorruptedImages, open_corrupted
from torchlgg.corruptions._write import write_corrupted

__all__ = [
    "CorruptedImages",
    "corrupt",
    "corruption_names",
    "open_corrupted",
    "write_corrupted",
]
