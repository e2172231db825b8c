"""Drives target/release/shopwindow: its services on a database and a topic of their own, and its replay."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from confluent_kafka.admin import AdminClient

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/shopwindow"
FULL_SIZE = 8_471_220


def end_with_signals():
    """Makes the first SIGINT or SIGTERM an exception, so that whatever was started is ended, and undisturbed:
    Ctrl-C comes twice, from the terminal and passed on by `shopwindow services`."""

    def interrupt(*_):
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_IGN)
        raise KeyboardInterrupt

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, interrupt)


def generate(rows, directory, kind="product"):
    """The file of `shopwindow generate KIND-csv --rows ROWS`, made once and kept."""
    command = [PROGRAM, "generate", f"{kind}-csv", "--rows", str(rows)]
    return keep(directory / f"{kind}-{rows}.csv", command)


def pack(file):
    """The file as .gz, made once and kept."""
    return keep(file.with_name(f"{file.name}.gz"), ["gzip", "--stdout", file])


def keep(file, command):
    """The file of what the command prints, made once."""
    if not file.exists():
        new = file.with_suffix(".new")
        with new.open("wb") as out:
            subprocess.run(command, stdout=out, check=True)
        new.rename(file)
    return file


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, condition, seconds=60):
    """The first value of `condition()` that is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s in vain until {what}")
        time.sleep(0.02)
    return value


def peak_memory(pid):
    """The most bytes of memory (VmHWM) that a process has had; 0 once it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


class Http:
    """One kept connection to a service."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=60)

    def get(self, path, parameters=(), headers=None):
        """Status and body."""
        query = urllib.parse.urlencode(list(parameters), doseq=True)
        target = f"{path}?{query}" if query else path
        try:
            return self._ask(target, headers or {})
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # the server closes a connection that was idle for five seconds
            self.connection.close()
            return self._ask(target, headers or {})

    def _ask(self, target, headers):
        self.connection.request("GET", target, headers=headers)
        response = self.connection.getresponse()
        return response.status, response.read()

    def json(self, path, parameters=()):
        """The JSON of an answer; anything but a 200 is an error."""
        status, body = self.get(path, parameters)
        if status != 200:
            raise RuntimeError(f"{path} {dict(parameters)} gave {status}: {body.decode(errors='replace')}")
        return json.loads(body)

    def is_ready(self):
        """Whether the service answers and says that all it needs works."""
        try:
            return self.get("/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return False


@dataclass
class Replay:
    """What a replay said, and the seconds from its start until all was stored and counted, users too; how
    much later nothing was pending, for sessions wait until a flood is over; of the seconds those until its
    import was begun, when it has looked through the file."""

    read: int
    stored: int
    duplicate: int
    rejected: int
    seconds: float
    sessions_after: float
    looked: float
    peak_memory: int


class Replaying:
    """A `shopwindow replay FILE --json` that is under way."""

    def __init__(self, file, env, log, options=()):
        self.log = log
        self.database_url = env["DATABASE_URL"]
        self.began, self.began_at = time.monotonic(), time.time()
        with log.open("ab") as stderr:
            command = [PROGRAM, "replay", file, "--json", *options]
            self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=stderr)
        self.peak_memory = 0

    def is_running(self):
        self.peak_memory = max(self.peak_memory, peak_memory(self.process.pid))
        return self.process.poll() is None

    def end(self, analytics):
        """Waits until it has ended and `analytics` (an Http) says that no figure lags behind it."""
        try:
            while self.is_running():
                time.sleep(0.01)
        finally:
            self.process.kill()
        summary = self.process.stdout.read()
        if self.process.wait() != 0:
            raise RuntimeError(f"the replay failed; why stands at the end of {self.log}")
        with psycopg.connect(self.database_url, autocommit=True) as database:
            folded = "select not exists (select from event_deltas)"
            wait_until("all is counted", lambda: database.execute(folded).fetchone()[0], 600)
            begun = "select extract(epoch from max(started_at))::float from imports"
            looked = database.execute(begun).fetchone()[0] - self.began_at
        seconds = time.monotonic() - self.began
        wait_until("nothing is pending", lambda: analytics.json("/api/totals")["pending"] is False, 600)
        sessions_after = time.monotonic() - self.began - seconds
        figures = {name: number for name, number in json.loads(summary).items() if name in Replay.__annotations__}
        return Replay(
            **figures, seconds=seconds, sessions_after=sessions_after, looked=looked, peak_memory=self.peak_memory
        )


class Site:
    """A fresh database and topic, with a consumer and analytics and, where `shop`, a shop at work on them.

    The servers are those of KAFKA_BROKERS and DATABASE_URL. At the end the services are stopped and
    both are removed, the topic unless `keep_topic`.
    """

    def __init__(self, name, directory, shop=False, keep_topic=False):
        self.name = name
        self.logs = directory / "logs"
        self.keep_topic = keep_topic
        self.with_shop = shop
        self.processes = {}

    def __enter__(self):
        try:
            self.start()
            return self
        except BaseException:
            self.__exit__()
            raise

    def start(self):
        self.database_url = create_database(self.name)
        self.address, self.shop_address = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.env = {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "KAFKA_TOPIC": self.name,
            "KAFKA_GROUP": self.name,
            "ANALYTICS_ADDR": self.address,
            "STOREFRONT_ADDR": self.shop_address,
            # or the shop would keep one in the user's home
            "STOREFRONT_SECRET": "only for this benchmark",
            "SHOP_TIMEZONE": "UTC",
        }
        for service in ["consumer", "analytics"] + ["storefront"] * self.with_shop:
            with (self.logs / f"{self.name}-{service}.log").open("ab") as log:
                self.processes[service] = subprocess.Popen([PROGRAM, service], env=self.env, stdout=log, stderr=log)
        self.analytics = Http(self.address)
        wait_until("analytics is ready", self.analytics.is_ready)
        wait_until("the consumer has its partitions", self.has_partitions)
        if self.with_shop:
            wait_until("the shop is ready", Http(self.shop_address).is_ready)

    def has_partitions(self):
        with psycopg.connect(self.database_url) as database:
            return database.execute("select count(*) from consumer_offsets").fetchone()[0] >= 6

    def begin_replay(self, file, *options):
        return Replaying(file, self.env, self.logs / f"{self.name}-replay.log", options)

    def replay(self, file, *options):
        """Replays the file until nothing is pending."""
        return self.begin_replay(file, *options).end(self.analytics)

    @contextmanager
    def simulating(self, rate):
        """Has visitors of the shop simulated meanwhile, with so many events a second."""
        command = [PROGRAM, "simulate", "--profile", "shop", "--rate", str(rate), "--quiet"]
        with (self.logs / f"{self.name}-simulate.log").open("ab") as log:
            process = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)

    def simulate(self, profile, events):
        """Publishes so many events of a profile."""
        command = [PROGRAM, "simulate", "--profile", profile, "--count", str(events), "--rate", "20000", "--quiet"]
        subprocess.run(command, env=self.env, stdout=subprocess.DEVNULL, check=True)

    def memory(self):
        """The peak memory of each service, in bytes."""
        return {service: peak_memory(process.pid) for service, process in self.processes.items()}

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        self.processes.clear()

    def __exit__(self, *_):
        self.stop()
        drop_database(self.name)
        if not self.keep_topic:
            admin = AdminClient({"bootstrap.servers": os.environ["KAFKA_BROKERS"], "log_level": 3})
            for removal in admin.delete_topics([self.name]).values():
                removal.exception()


def create_database(name):
    """Makes an empty database, after a checkpoint, so that what is measured next begins like all else."""
    drop_database(name)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        # copying files has two checkpoints; before version 15 it was the only way
        strategy = " strategy = file_copy" if server.info.server_version >= 150_000 else ""
        server.execute(f'create database "{name}"{strategy}')
    return os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"


def drop_database(name):
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute("set client_min_messages = error")
        try:
            server.execute(f'drop database if exists "{name}" with (force)')
        except psycopg.errors.InsufficientPrivilege:
            # autovacuum is at it, which is not ours to end by force; without force PostgreSQL ends it
            server.execute(f'drop database if exists "{name}"')
