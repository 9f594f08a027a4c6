"""Predictions of tables larger than memory: resumable, each row exactly once."""
