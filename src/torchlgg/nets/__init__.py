"""Networks by name, their weights in files, and the layers of a Parseval network."""

from torchlgg.nets._build import build_net, net_names
from torchlgg.nets._config import NetConfig
from torchlgg.nets._parseval import ParsevalConv2d, parseval_retraction_
from torchlgg.nets._preact_resnet import PreActResNet
from torchlgg.nets._saved import SavedNet, open_net
from torchlgg.nets._small_cnn import SmallCNN
from torchlgg.nets._weights import load_weights, read_metadata, save_weights
from torchlgg.nets._wide_resnet import WideResNet

__all__ = [
    "NetConfig",
    "ParsevalConv2d",
    "PreActResNet",
    "SavedNet",
    "SmallCNN",
    "WideResNet",
    "build_net",
    "load_weights",
    "net_names",
    "open_net",
    "parseval_retraction_",
    "read_metadata",
    "save_weights",
]
