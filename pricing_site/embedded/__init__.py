"""Real servers without installing any: Postgres, Valkey and a Kafka-protocol broker as plain child processes.

For development, the demo and the tests, on Linux. Production brings its own servers: see ``docker-compose.yml``.
"""
