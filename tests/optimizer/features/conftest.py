import pytest

from optimizer.features import online


@pytest.fixture
def redis_away(settings):
    """Point the online store at a port where nothing listens."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    online._connection.cache_clear()
    yield
    online._connection.cache_clear()
