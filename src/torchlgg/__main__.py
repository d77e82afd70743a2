"""``python -m torchlgg`` is ``lgg``."""

from torchlgg.cli import main

if __name__ == "__main__":
    main()
