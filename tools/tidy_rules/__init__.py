"""The rules behind tools/tidy.py, one subject per module."""
