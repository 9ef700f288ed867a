"""Readers of public feeds, each from its real format to records of ours, and the fetching of them."""
