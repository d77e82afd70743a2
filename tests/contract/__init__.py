"""What every loss and graph of torchlgg promises, asked of all of them at once."""
