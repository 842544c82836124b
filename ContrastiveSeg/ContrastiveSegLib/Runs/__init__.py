"""Runs of earlier days: found again, gone on with, deleted."""
