import os
import socket
import tempfile
import threading
from pathlib import Path

import psycopg
import pytest
import redis
from kafka import KafkaConsumer, KafkaProducer
from redis.backoff import NoBackoff
from redis.retry import Retry

from pricing_site.embedded import ordinary_user, postgres, valkey
from pricing_site.embedded.errors import EmbeddedServerError, HomeInUseError
from pricing_site.embedded.postgres import Postgres
from pricing_site.embedded.servers import EmbeddedServers


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with EmbeddedServers(tmp_path_factory.mktemp("shared"), durable=False) as servers:
        yield servers


def test_servers_answer_inside_the_block_and_are_gone_after_it(tmp_path):
    with EmbeddedServers(tmp_path, durable=False) as servers:
        environment = servers.environment()
        assert rows(servers, "SELECT current_database()") == [("pricing",)]
        cache, broker = clients(servers)
        assert cache.config_get("maxmemory-policy")["maxmemory-policy"] == "allkeys-lfu"
        assert broker.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        ports = [servers.postgres.port, servers.cache.port, servers.broker.port, kafka_port(environment)]
        assert len(set(ports)) == 4
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_environment_is_complete_and_its_secrets_are_private(servers):
    environment = servers.environment()
    assert all(environment.values())
    assert environment["ALLOWED_HOSTS"] == "localhost,127.0.0.1"
    for secret in ("secret_key", "postgres/password", "cache/password", "cache/valkey.conf", "broker/password"):
        assert (servers.home / secret).stat().st_mode & 0o077 == 0, secret


def test_nobody_gets_in_without_the_password(servers):
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgres://pricing:wrong@127.0.0.1:{servers.postgres.port}/pricing")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(host="127.0.0.1", port=servers.broker.port, retry=Retry(NoBackoff(), 0)).ping()


def test_kafka_messages_come_back_to_a_consumer_group(servers):
    options = {"bootstrap_servers": servers.environment()["KAFKA_BOOTSTRAP_SERVERS"], "api_version": (2, 0)}
    producer = KafkaProducer(**options)
    producer.send("demand", key=b"sku-1", value=b"sold").get(timeout=10)
    producer.close()
    reading = {"group_id": "test", "auto_offset_reset": "earliest", "fetch_max_wait_ms": 50}
    consumer = KafkaConsumer(consumer_timeout_ms=20_000, **reading, **options)
    consumer.partitions_for_topic("demand")  # else it may join before it knows the topic, and is given none of it
    consumer.subscribe(["demand"])
    assert next(consumer).value == b"sold"
    consumer.close()


def test_durable_data_survives_a_restart(tmp_path):
    with EmbeddedServers(tmp_path, durable=True) as servers:
        rows(servers, "CREATE TABLE kept AS SELECT 7 AS number")
        _, broker = clients(servers)
        broker.rpush("queue", "task")
        password, key = servers.postgres.password, servers.environment()["SECRET_KEY"]
    with EmbeddedServers(tmp_path, durable=True) as servers:
        assert rows(servers, "SELECT number FROM kept") == [(7,)]
        _, broker = clients(servers)
        assert broker.lrange("queue", 0, -1) == [b"task"]
        assert (servers.postgres.password, servers.environment()["SECRET_KEY"]) == (password, key)


def test_rows_committed_before_a_kill_of_postgres_are_there_after_it(tmp_path):
    acknowledged: list[int] = []
    with EmbeddedServers(tmp_path, durable=True) as servers:
        rows(servers, "CREATE TABLE written (number integer)")
        writer = threading.Thread(target=write_until_cut_off, args=(servers.postgres.url, acknowledged))
        writer.start()
        while len(acknowledged) < 200:
            assert writer.is_alive()
        servers.postgres.child.process.kill()
        writer.join(timeout=20)
    with EmbeddedServers(tmp_path, durable=True) as servers:
        found = {number for (number,) in rows(servers, "SELECT number FROM written")}
    assert set(acknowledged) <= found


def test_a_lock_file_that_names_a_living_stranger_does_not_stop_postgres(tmp_path):
    with EmbeddedServers(tmp_path, durable=True):
        pass
    (tmp_path / "postgres/data/postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}/postgres/data\n")
    with EmbeddedServers(tmp_path, durable=True) as servers:
        assert rows(servers, "SELECT 1") == [(1,)]


def test_an_interrupted_first_start_is_begun_again(tmp_path):
    half = tmp_path / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedServers(tmp_path, durable=True) as servers:
        assert rows(servers, "SELECT 1") == [(1,)]


def test_a_server_that_dies_while_starting_shows_the_end_of_its_log(tmp_path):
    with EmbeddedServers(tmp_path, durable=True):
        pass
    (tmp_path / "postgres/data/PG_VERSION").write_text("9.6\n")
    with pytest.raises(EmbeddedServerError, match=r"(?s)Postgres ended with code 1.*not compatible"):
        EmbeddedServers(tmp_path, durable=True).__enter__()
    with pytest.raises(EmbeddedServerError):  # and not HomeInUseError: the failed start let go of the folder
        EmbeddedServers(tmp_path, durable=True).__enter__()


def test_a_port_that_is_snatched_away_is_chosen_again(tmp_path, monkeypatch):
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        for module in (postgres, valkey):
            choices = iter([thief.getsockname()[1]])
            free_port = module.free_port
            monkeypatch.setattr(module, "free_port", lambda c=choices, free=free_port: next(c, None) or free())
        with EmbeddedServers(tmp_path, durable=False) as servers:
            assert rows(servers, "SELECT 1") == [(1,)]
            assert clients(servers)[0].ping()


def test_two_on_one_home_are_refused(servers):
    with pytest.raises(HomeInUseError, match="in use by process"):
        EmbeddedServers(servers.home, durable=False).__enter__()


@pytest.mark.skipif(not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")), reason="the system has no Postgres")
def test_without_the_wheel_the_system_postgres_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "find_spec", lambda name: None)
    server = Postgres(tmp_path / "postgres", durable=True)
    server.spawn()
    try:
        server.wait_ready()
        assert Path(f"/proc/{server.child.process.pid}/exe").readlink().is_relative_to("/usr/lib/postgresql")
    finally:
        server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")
def test_root_without_user_namespaces_runs_postgres_as_a_spare_user(monkeypatch):
    monkeypatch.setattr(ordinary_user, "namespaces_work", lambda: False)
    with tempfile.TemporaryDirectory() as reachable:
        Path(reachable).chmod(0o755)
        server = Postgres(Path(reachable) / "postgres", durable=False)
        server.spawn()
        try:
            server.wait_ready()
            with psycopg.connect(server.url) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            owner = Path(f"/proc/{server.child.process.pid}").stat().st_uid
        finally:
            server.stop()
    assert owner == ordinary_user.spare_user_id()


def rows(servers, query):
    with psycopg.connect(servers.postgres.url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def clients(servers):
    return redis.Redis.from_url(servers.cache.url), redis.Redis.from_url(servers.broker.url)


def kafka_port(environment):
    return int(environment["KAFKA_BOOTSTRAP_SERVERS"].rpartition(":")[2])


def write_until_cut_off(url, acknowledged):
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            for number in range(1_000_000):
                connection.execute("INSERT INTO written VALUES (%s)", [number])
                acknowledged.append(number)
    except psycopg.OperationalError:
        return
