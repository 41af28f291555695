from catalog.models import Channel


class UnknownChannel(ValueError):
    """No channel has this code; the message lists those that exist."""


def channel_by_code(code: str) -> Channel:
    """Return a channel or raise UnknownChannel with the codes that exist."""
    channel = Channel.objects.filter(code=code).first()
    if channel is None:
        known = ", ".join(Channel.objects.values_list("code", flat=True)) or "none yet: add one in the admin"
        raise UnknownChannel(f"no channel {code!r}; channels: {known}")
    return channel
