"""How fast torchlgg is, beside the floor and the plain forms: `python -m benchmarks`."""
