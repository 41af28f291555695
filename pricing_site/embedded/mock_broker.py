"""Be a Kafka-protocol broker until killed: print its address on the first line. Run as a script by ``kafka.py``."""

import signal

from confluent_kafka import Producer


def main() -> None:
    # The cluster lives inside this client object, on threads of librdkafka.
    cluster = Producer({"test.mock.num.brokers": 1})
    broker = next(iter(cluster.list_topics(timeout=30).brokers.values()))
    print(f"{broker.host}:{broker.port}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
