"""What a replay is compared with: PostgreSQL's own `\\copy`, and consumers as one writes them in Python."""

import json
import os
import subprocess
import time
from contextlib import contextmanager

import psycopg
from confluent_kafka import Consumer

from shopwindow import create_database, drop_database

PRODUCT_TABLE = """
create table file (
    order_id uuid primary key,
    user_id text,
    page_id text,
    product text,
    site_version text,
    time timestamp,
    title text,
    target int
)"""

# Its lines have no key, and some of them come twice.
ELECTRONICS_TABLE = """
create table file (
    event_time timestamptz,
    event_type text,
    product_id bigint,
    category_id bigint,
    category_code text,
    brand text,
    price numeric,
    user_id bigint,
    user_session text
)"""

# Of the columns of our own `events` those that a row of product.csv fills; the key is the only index.
EVENTS_TABLE = """
create table events (
    event_id uuid primary key,
    occurred_at timestamptz not null,
    stored_at timestamptz not null default now(),
    "offset" bigint not null,
    partition integer not null,
    import_id uuid,
    topic text not null,
    event_type text not null,
    user_id text not null,
    source text not null,
    page_id text,
    product text,
    site_version text
)"""
FIELDS = ["event_id", "occurred_at", "import_id", "event_type", "user_id", "source"]
FIELDS += ["page_id", "product", "site_version"]
INSERT = f'insert into events ({", ".join(FIELDS)}, topic, partition, "offset") values '
ROW = f"({', '.join(['%s'] * (len(FIELDS) + 3))})"
REPEATS = " on conflict do nothing"

PAGE = 1_000


@contextmanager
def table(definition):
    """A connection to a fresh database with this one table in it."""
    name = "baseline"
    url = create_database(name)
    try:
        with psycopg.connect(url) as database:
            database.execute(definition)
            database.commit()
            yield database, url
    finally:
        drop_database(name)


def copy(file, definition=PRODUCT_TABLE):
    """Seconds of psql's \\copy of the file into a table of its columns."""
    with table(definition) as (_, url):
        began = time.monotonic()
        command = f"\\copy file from '{file}' with (format csv, header)"
        subprocess.run(["psql", "--no-psqlrc", "--quiet", url, "--command", command], check=True)
        return time.monotonic() - began


def unpack(file):
    """Seconds of gzip's unpacking of a file, without keeping anything."""
    began = time.monotonic()
    subprocess.run(["gzip", "--decompress", "--stdout", file], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def values(message):
    event = json.loads(message.value())
    return [*map(event.get, FIELDS), message.topic(), message.partition(), message.offset()]


@contextmanager
def consumer(topic, group):
    settings = {
        "bootstrap.servers": os.environ["KAFKA_BROKERS"],
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        # else librdkafka's own pauses would be measured (default: 1 s)
        "fetch.queue.backoff.ms": 10,
    }
    reader = Consumer(settings)
    try:
        reader.subscribe([topic])
        yield reader
    finally:
        reader.close()


def one_statement(database, page):
    """Stores a page with one insert of many rows; how many were new."""
    parameters = [value for message in page for value in values(message)]
    return database.execute(INSERT + ", ".join([ROW] * len(page)) + REPEATS, parameters).rowcount


def executemany(database, page):
    """Stores a page with psycopg's executemany, an insert a row in one pipeline; how many were new."""
    with database.cursor() as cursor:
        cursor.executemany(INSERT + ROW + REPEATS, map(values, page))
        return cursor.rowcount


def batched(topic, rows, store):
    """Rows a second of a consumer that reads a filled topic in pages: `store` one, commit, commit the
    offsets. Joining the group is not counted."""
    with table(EVENTS_TABLE) as (database, _), consumer(topic, store.__name__) as reader:
        stored, began = 0, None
        while stored < rows:
            page = [message for message in reader.consume(PAGE, timeout=1) if not message.error()]
            if not page:
                continue
            began = began or time.monotonic()
            stored += store(database, page)
            database.commit()
            reader.commit(asynchronous=False)
        return stored / (time.monotonic() - began)


def row_by_row(topic, rows):
    """Rows a second of the original's way: an insert, a commit and a commit of the offset for each."""
    with table(EVENTS_TABLE) as (database, _), consumer(topic, "row-by-row") as reader:
        stored, began = 0, None
        while stored < rows:
            message = reader.poll(1)
            if message is None or message.error():
                continue
            began = began or time.monotonic()
            database.execute(INSERT + ROW + REPEATS, values(message))
            database.commit()
            reader.commit(message=message, asynchronous=False)
            stored += 1
        return stored / (time.monotonic() - began)
