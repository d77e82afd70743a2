"""The command ``lgg``: words to calls; what is heavy is imported inside the verb that needs it."""

from torchlgg.cli._app import main

__all__ = ["main"]
