"""The gateway's own mind: what it remembers, what the owner told it, and the daemon that acts on both."""
