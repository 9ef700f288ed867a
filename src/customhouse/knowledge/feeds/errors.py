"""What can be wrong with a feed."""

from customhouse.host.errors import CustomhouseError


class FeedError(CustomhouseError):
    """A feed could not be fetched, or is not what it should be. The store keeps what it had."""


class WrongSchema(FeedError):
    """The document does not have the feed's format."""


class BackInTime(FeedError):
    """The document is older than what the store holds."""
