"""Millrace inside other people's frameworks. Each module needs its framework and is imported by name."""
