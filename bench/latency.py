"""How long events and answers take."""

import http.client
import json
import os
import socket
import statistics
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone

import psycopg
from confluent_kafka import Producer

from shopwindow import Http, wait_until

# Headless clients' own names say that they are bots, which make no events.
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass
class Times:
    """Measured times in milliseconds."""

    milliseconds: list

    @classmethod
    def of(cls, seconds):
        return cls([second * 1_000 for second in seconds])

    def median(self):
        return statistics.median(self.milliseconds)

    def p99(self):
        """The value that one in a hundred exceeds; with fewer than a hundred the largest."""
        ordered = sorted(self.milliseconds)
        return ordered[max(0, -(-len(ordered) * 99 // 100) - 1)]

    def largest(self):
        return max(self.milliseconds)


class Notices(threading.Thread):
    """When PostgreSQL told that a batch is stored: its `stored_at` and the moment of hearing of it."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.database = psycopg.connect(url, autocommit=True)
        self.database.execute("listen events_stored")
        self.heard = []
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            for notice in self.database.notifies(timeout=0.2):
                now = time.monotonic()
                self.heard.append((moment(json.loads(notice.payload)["stored_at"]), now))

    def end(self):
        self.over.set()
        self.join()
        self.database.close()


class Stream(threading.Thread):
    """When the live stream told of `counts`: their `stored_at` and the moment of hearing of them."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection(address)
        self.connection.request("GET", "/api/live")
        self.response = self.connection.getresponse()
        self.heard = []

    def run(self):
        try:
            while line := self.response.readline():
                if line.startswith(b"data: "):
                    now = time.monotonic()
                    self.heard.append((moment(json.loads(line[6:])["stored_at"]), now))
        except (OSError, http.client.HTTPException):
            pass  # end() has cut it

    def end(self):
        self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.join()


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def of_events(site, rate, seconds):
    """Times of events that are published at `rate` a second: until PostgreSQL has told this program that
    they are stored, and until the live stream has.

    A notice tells the batch's `stored_at`, and so do its rows, which are read when all is over: so looking
    does not burden what is looked at. Times begin before the event is handed to the Kafka client.
    """
    notices, stream = Notices(site.database_url), Stream(site.address)
    notices.start()
    stream.start()
    producer = Producer(
        {
            "bootstrap.servers": os.environ["KAFKA_BROKERS"],
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            # as the shop publishes (default: 5)
            "linger.ms": 1,
            "log_level": 3,
        }
    )

    def publish(number, source):
        event_id, user = uuid.uuid4(), f"visitor-{number % 1_000}"
        event = {
            "event_id": str(event_id),
            "event_type": "banner_show",
            "occurred_at": datetime.now(timezone.utc).isoformat(),
            "user_id": user,
            "source": source,
            "product": "clothes",
            "site_version": "desktop",
        }
        at = time.monotonic()
        producer.produce(site.name, json.dumps(event), user)
        return event_id, at

    # a new client's way to its partitions is not what is measured
    for number in range(100):
        publish(number, "first contact")
    producer.flush()
    published, source = {}, f"latency at {rate}/s"
    began = time.monotonic()
    for number in range(rate * seconds):
        while (early := began + number / rate - time.monotonic()) > 0:
            producer.poll(min(early, 0.05))
        event_id, at = publish(number, source)
        published[event_id] = at
    producer.flush()
    with psycopg.connect(site.database_url, autocommit=True) as database:
        count = "select count(*) from events where source = %s and stored_at > now() - interval '10 min'"
        is_stored = lambda: database.execute(count, [source]).fetchone()[0] == len(published)
        wait_until("all events are stored", is_stored)
        stored = dict(database.execute(count.replace("count(*)", "event_id, stored_at"), [source]).fetchall())
    last = max(stored.values())
    wait_until("the last notice has come", lambda: notices.heard and notices.heard[-1][0] >= last)
    wait_until("the live stream has told the last", lambda: stream.heard and stream.heard[-1][0] >= last)
    notices.end()
    stream.end()
    told = {stored_at: heard for stored_at, heard in notices.heard}
    to_stored, to_live = [], []
    for event_id, at in published.items():
        to_stored.append(told[stored[event_id]] - at)
        # one message of the stream tells of all that was stored up to its stored_at
        to_live.append(next(heard for stored_at, heard in stream.heard if stored_at >= stored[event_id]) - at)
    return Times.of(to_stored), Times.of(to_live)


def of_clicks(site, file, pause):
    """Times from a click in the shop until /api/totals counts it, one click after the other while the file
    is replayed; and the replay."""
    replaying = site.begin_replay(file)
    shop, seconds = Http(site.shop_address), []
    wait_until("rows are stored", lambda: sum(site.analytics.json("/api/totals")["events"].values()) > 0)
    while replaying.is_running():
        number, began = len(seconds) + 1, time.monotonic()
        status, _ = shop.get("/product/clothes", headers={"User-Agent": USER_AGENT})
        if status != 200:
            raise RuntimeError(f"the shop answered a click with {status}")
        while site.analytics.json("/api/totals", {"source": "storefront"}.items())["events"]["banner_click"] < number:
            time.sleep(0.02)
        if replaying.is_running():
            seconds.append(time.monotonic() - began)
        time.sleep(pause)
    return Times.of(seconds), replaying.end(site.analytics)


def of_question(site, path, parameters, requests):
    """Times of one question, asked again and again over one connection, and its last answer."""
    analytics = Http(site.address)
    for _ in range(max(requests // 10, 3)):
        answer = analytics.json(path, parameters)
    seconds = []
    for _ in range(requests):
        began = time.monotonic()
        status, _ = analytics.get(path, parameters)
        seconds.append(time.monotonic() - began)
        if status != 200:
            raise RuntimeError(f"{path} gave {status}")
    return Times.of(seconds), answer
