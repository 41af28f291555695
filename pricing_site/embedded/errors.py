"""What can go wrong before the servers are ready; each message names the cure."""


class EmbeddedServerError(Exception):
    """A server could not be started; ``exit_code`` is what the command line ends with."""

    exit_code = 1


class HomeInUseError(EmbeddedServerError):
    """Another launcher works in the same folder, or the wanted web port is taken."""

    exit_code = 2


class PortTakenError(EmbeddedServerError):
    """Somebody took the port between our choosing it and the server's binding it: choose again."""
