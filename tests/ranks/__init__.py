"""Losses and gathers over the processes of a group."""
