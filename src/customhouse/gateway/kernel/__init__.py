"""The only place that runs nft, ip and conntrack, and that loads the sentinel. Decisions are made in `ruleset`."""
