"""Whole configurations: what to train, on what, with what, and what to measure."""

from torchlgg.recipes._demo import DemoConfig, DemoProgress, run_demo

__all__ = ["DemoConfig", "DemoProgress", "run_demo"]
