"""A network that has learnt elsewhere, on a folder of images of one's own."""

from __future__ import annotations

from torchlgg.data import DataConfig
from torchlgg.nets import NetConfig
from torchlgg.recipes._run_config import RunConfig
from torchlgg.training import Classify, TrainingConfig

# of the images that torchvision's and timm's weights were trained on
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


def finetune() -> RunConfig:
    """A torchvision or timm network on a folder of images: AdamW, 10 epochs, a new head.

    Give it ``net.weights``, a state dict that was downloaded; without weights it starts from
    nothing.
    """
    return RunConfig(
        data=DataConfig(image_size=224, mean=_IMAGENET_MEAN, std=_IMAGENET_STD),
        net=NetConfig(name="timm:resnet18", replace_head=True),
        task=Classify(label_smoothing=0.1),
        training=TrainingConfig(
            epochs=10,
            batch_size=32,
            optimizer="adamw",
            learning_rate=3e-4,
            weight_decay=0.05,
            schedule="cosine",
            warmup=0.1,
            crop_padding=16,
        ),
    )
