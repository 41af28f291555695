"""The feature store: what is known about a listing at a moment, for models that serve and for models that train.

``definitions`` names the features, ``sources`` reads facts that change, ``history`` works every feature out as it was
known at any moment, ``online`` keeps the newest of them in Redis, ``serving`` reads from there. Online values and
training frames come from the one statement in ``history``. Nothing here loads torch. docs/features.md
"""
