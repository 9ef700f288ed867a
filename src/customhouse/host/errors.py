"""Errors that a user meets: one clear line, and what to do next."""


class CustomhouseError(Exception):
    """Base of every error that is shown without a traceback. `hint` says what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Interrupted(CustomhouseError):
    """The user stopped the work."""


class InputError(CustomhouseError):
    """What the user handed over cannot be used."""


class MissingTool(CustomhouseError):
    """A program or kernel facility that is needed is not here."""
