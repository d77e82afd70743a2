"""The definitions of torchlgg once more, as plain float64 loops that share no line with it.

Nothing here imports torch or torchlgg, and nothing is fast: each function is the equation it names,
written so that it can be checked by reading. ``tests/test_oracles_against_reference.py`` proves
the ones that the authors' own code can prove.
"""
