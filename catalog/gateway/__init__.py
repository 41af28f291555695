"""The storefront's gateway: the price a shopper sees. Nothing is decided here.

`served_prices` reads the database, for views and services. The other modules serve prices before Django's middleware,
in the process that also runs Django, from a cache of their own:

    protocol.py      the wire: requests whose answer is at hand, and slow clients
    application.py   ASGI: requests that have to wait for Redis or the database; all else goes on to Django
    requests.py      which requests are served here; what is not surely one of them is Django's
    answers.py       the bytes of an answer
    prices.py        an answer's parts for each cached price
    cache.py         what this process holds, and who is asked for what it does not hold
    link.py          the connection to Redis that says what has changed
    database.py      loads from Postgres, many names at once
    callers.py       API keys and their limits
    metrics.py       counts and latencies
"""

from catalog.gateway.reading import etag_of, served_prices

__all__ = ["etag_of", "served_prices"]
