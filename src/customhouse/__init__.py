"""Customhouse: inspects connected devices, says whether they may pass and why, and holds them to what they declared."""

__version__ = "0.1.0"
