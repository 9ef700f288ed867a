"""Pure judgements over the nouns: who can reach a flaw, what that means, and what to do about it."""
