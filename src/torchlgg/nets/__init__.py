"""Networks by name, their weights in files, and the layers of a Parseval network."""

from torchlgg.nets._build import build_net, net_names
from torchlgg.nets._config import NetConfig
from torchlgg.nets._export import export_net
from torchlgg.nets._parseval import ParsevalConv2d, parseval_retraction_
from torchlgg.nets._preact_resnet import PreActResNet
from torchlgg.nets._preact_wide_resnet import PreActWideResNet
from torchlgg.nets._saved import SavedNet, open_net
from torchlgg.nets._small_cnn import SmallCNN
from torchlgg.nets._unit_length import UnitLength
from torchlgg.nets._weights import load_weights, read_metadata, replaced_head, save_weights
from torchlgg.nets._wide_resnet import WideResNet

__all__ = [
    "NetConfig",
    "ParsevalConv2d",
    "PreActResNet",
    "PreActWideResNet",
    "SavedNet",
    "SmallCNN",
    "UnitLength",
    "WideResNet",
    "build_net",
    "export_net",
    "load_weights",
    "net_names",
    "open_net",
    "parseval_retraction_",
    "read_metadata",
    "replaced_head",
    "save_weights",
]
