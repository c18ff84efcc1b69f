"""Mistakes that a user can repair; the command line prints each as one line."""


class SeqgenError(Exception):
    """What went wrong, where, and what would do."""


class UsageError(SeqgenError):
    """A command was called with arguments that do not fit together (exit code 2)."""


class ConfigError(SeqgenError):
    """A setting has a name, type or value that it may not have."""


class DataError(SeqgenError):
    """A dataset or file cannot be read as pairs of texts."""


class ModelError(SeqgenError):
    """A model folder is missing, incomplete or damaged."""


class CheckpointError(SeqgenError):
    """A run cannot be resumed or saved."""


class TrainingError(SeqgenError):
    """Training cannot go on."""
