"""What the kernel must hold, as a value compiled from who is in the house, what was granted and what was looked up."""
