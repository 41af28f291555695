"""A minute of the bandit at work: made-up demand and shoppers over the real broker, in threads of the job."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import numpy as np
from django.db import connection
from django.utils import timezone
from kafka import KafkaProducer
from rich.console import Console
from rich.progress import Progress

from catalog.models import Channel
from catalog.selectors.listings import active_listings
from experiments.management.commands.bandit_status import shown
from experiments.selectors.bandit_status import bandit_status
from streaming.consumer import BanditStream
from streaming.kafka_settings import client_settings
from streaming.market_score import MarketScore
from streaming.messages import demand_message
from streaming.outcome_simulator import OutcomeSimulator
from streaming.relay import Relay
from streaming.simulation import MARKET_START, Shoppers, simulated_demand
from streaming.topics import Topic

EVENTS_A_SECOND = 60
PRODUCTS = 2
LEAST_STOCK = 100
DAY_SECONDS = 20
DELAY_SECONDS = 0.5
SHOWN_CONTEXTS = 2
JOIN_SECONDS = 15
GROUP_SECONDS = 20


def show_learning(console: Console, channel: Channel, seconds: float) -> None:
    """Let the bandit decide and learn for some seconds, and say how far its exploitation has come."""
    logging.getLogger("kafka").setLevel(logging.ERROR)
    stop = threading.Event()
    simulator = OutcomeSimulator(Shoppers(seed=1, delay_seconds=DELAY_SECONDS), stop=stop)
    stream = BanditStream(stop=stop, rng=np.random.default_rng(1))
    threads = [_thread(stream.run), _thread(Relay(stop=stop).run), _thread(simulator.run)]
    early = _Snapshot(simulator.score)
    try:
        _wait_until(lambda: stream.metrics.is_reading and simulator.is_reading)
        sent = _produce(console, channel, seconds, halfway=early.take)
    finally:
        stop.set()
        for thread in threads:
            thread.join(JOIN_SECONDS)
    score = simulator.score
    words = (
        f"  {sent:,} demand events, {score.counted:,} prices decided, {simulator.answered:,} outcomes",
        f"at the best price by the hidden demand: {early.best_share:.0%} at half-time, {score.best_share:.0%} at last",
        f"lost against always the best: {score.regret:.1%} of the reward",
    )
    console.print("; ".join(words), style="dim", soft_wrap=True)
    console.print(shown(bandit_status(channel=channel.code, last=1_000), SHOWN_CONTEXTS))


class _Snapshot:
    """The share at the best price at one moment."""

    def __init__(self, score: MarketScore) -> None:
        self.score, self.best_share = score, 0.0

    def take(self) -> None:
        self.best_share = self.score.best_share


def _thread(work: Callable[[], None]) -> threading.Thread:
    def closing() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=closing, daemon=True)
    thread.start()
    return thread


def _wait_until(ready: Callable[[], bool]) -> None:
    """Wait while the consumer groups form; what is sent before is read later all the same."""
    deadline = time.monotonic() + GROUP_SECONDS
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.1)


def _produce(console: Console, channel: Channel, seconds: float, *, halfway: Callable[[], None]) -> int:
    # Dear ones, of which there is enough: the guardrails leave them more than one price.
    listings = active_listings(channel=channel.code).filter(unit_cost__gt=0, inventory__gte=LEAST_STOCK)
    events = simulated_demand(
        channel=channel.code,
        skus=list(listings.order_by("-list_price", "pk").values_list("product__sku", flat=True)[:PRODUCTS]),
        rng=np.random.default_rng(int(time.time())),  # other events, with other ids, every time
        start=MARKET_START,
        step=timedelta(days=1) / (DAY_SECONDS * EVENTS_A_SECOND),
    )
    producer = KafkaProducer(**client_settings(), linger_ms=5, max_block_ms=10_000)
    total = round(seconds * EVENTS_A_SECOND)
    began = time.monotonic()
    with Progress(console=console, transient=True) as progress:
        for number in progress.track(range(total), description="the bandit learns"):
            message = demand_message(next(events), timezone.now())
            producer.send(Topic.DEMAND_EVENTS.deployed_name, key=message.key.encode(), value=message.value)
            if number == total // 2:
                halfway()
            time.sleep(max(0.0, began + (number + 1) / EVENTS_A_SECOND - time.monotonic()))
    producer.flush(timeout=10)
    producer.close(timeout=1)
    return total
