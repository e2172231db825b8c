"""`make bench`: what Shopwindow takes, as ratios to named baselines of the same run.

Runs within `shopwindow services`, which tells it KAFKA_BROKERS and DATABASE_URL. Prints one table and writes it
with the machine and the commands to docs/benchmarks.md (with --smoke to .shopwindow/bench/benchmarks.md). What
stands under "asked for" is said, not enforced: times depend on the machine and on what else it does.
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import confluent_kafka
import psycopg

import baselines
import latency
import viewing
from progress import Progress
from shopwindow import FULL_SIZE, ROOT, Site, end_with_signals, generate, pack

DIRECTORY = ROOT / ".shopwindow/bench"
FIVE_MONTHS = {"from": "2019-01-01", "to": "2019-06-01"}
DAY = {"from": "2019-03-15", "to": "2019-03-16"}
HOURLY = {"kind": "tumbling", "size": "1h"}
# what must hardly take longer when there are more events in the same months
GROWING = [("/api/windows", FIVE_MONTHS | HOURLY | {"group_by": "product"}), ("/api/sessions", FIVE_MONTHS)]
CORE, OTHER = "p99 < 100 ms", "p99 < 1,000 ms"
# until now: the simulated events too, which tell of brands, cities and users
ALL = {"from": "2019-01-01"}
SIMULATED = ["shop", "orders", "tv", "clickstream"]
# what the sections of the page ask beside these
OF_SECTIONS = [
    *[("/api/breakdown", FIVE_MONTHS | {"by": by}, ", with users", CORE) for by in ("event_type", "source")],
    *[("/api/breakdown", ALL | {"by": by}, ", with users", OTHER) for by in ("brand", "state", "gender", "os")],
    ("/api/audience", ALL | {"by": "region"}, "", OTHER),
    ("/api/heatmap", FIVE_MONTHS, "", CORE),
    ("/api/funnel", FIVE_MONTHS, "", CORE),
    *[("/api/funnel", FIVE_MONTHS | {"by": by}, "", CORE) for by in ("product", "site_version", "source")],
    ("/api/funnel", ALL | {"by": "brand"}, "", OTHER),
    ("/api/sales", ALL, "", CORE),
    *[("/api/sales", ALL | {"by": by}, "", CORE) for by in ("product", "source", "site_version")],
    *[
        ("/api/sales", ALL | {"by": by}, "", OTHER)
        for by in ("brand", "category", "state", "country", "payment_method", "status", "user_id")
    ],
    ("/api/places", ALL, "", OTHER),
    ("/api/imports", {}, "", CORE),
    ("/api/rejected", {}, "", CORE),
    ("/api/pipeline", {}, "", CORE),
    ("/api/latest", {}, "", CORE),
]


# rows of the published file, and of one that shows that memory does not grow with it
ELECTRONICS = 885_129
SHORT = 100_000


@dataclass
class Sizes:
    rows: int = 1_000_000
    rounds: int = 3
    full: int = FULL_SIZE
    electronics: int = ELECTRONICS
    batched: int = 300_000
    row_by_row: int = 5_000
    slow_seconds: int = 30
    fast_seconds: int = 20
    simulated: int = 20_000
    requests: int = 200
    rest: int = 20
    filters: int = 30
    orders: int = 100
    viewers: int = 500
    viewed_seconds: int = 30


SMOKE = Sizes(200_000, 2, 1_000_000, 200_000, 60_000, 500, 10, 5, 2_000, 50, 8, 6, 10, 50, 5)


@dataclass
class Round:
    """A file copied, replayed, and replayed again; seconds and the replays."""

    rows: int
    copied: float
    first: object
    again: object

    def of_copy(self):
        return self.copied / self.first.seconds


@dataclass
class Packed:
    """A file copied, replayed, and replayed as .gz, each on a fresh site; seconds and the replays."""

    copied: float
    unpacked: float
    plain: object
    gz: object


class Bench:
    def __init__(self, sizes):
        self.sizes = sizes
        self.table = []
        self.rounds = []
        # what each took per row, or in all, on two cores of a virtual machine
        self.progress = Progress(
            [
                (f"generating {sizes.full:,} rows", 10),
                *[(f"round {n + 1} of {sizes.rows:,} rows", sizes.rows / 50_000) for n in range(sizes.rounds)],
                *[(f"packed files, round {n + 1}", sizes.electronics / 20_000 + 8) for n in range(sizes.rounds)],
                (f"questions to {sizes.rows:,} rows", sizes.rest + sizes.requests / 20),
                ("filling a topic", 4 + sizes.batched / 90_000),
                ("a Python consumer with one insert a page", 4 + sizes.batched / 30_000),
                ("a Python consumer with executemany", 4 + sizes.batched / 60_000),
                ("a Python consumer row by row", 4 + sizes.row_by_row / 300),
                (f"a click during a replay of {sizes.full:,} rows", 6 + sizes.full / 70_000),
                (f"a round of {sizes.full:,} rows", sizes.full / 30_000),
                ("questions", 15 + sizes.rest + 1.7 * sizes.requests),
                ("1 event a second", sizes.slow_seconds + 1),
                ("1,000 events a second", sizes.fast_seconds + 1),
                ("the page in a browser", 25 + 3 * sizes.filters),
                ("the page during 1,000 events a second", 10 + sizes.orders / 3 + sizes.viewed_seconds),
            ]
        )

    def run(self):
        sizes, step = self.sizes, self.progress.step
        with step(f"generating {sizes.full:,} rows"):
            file, full = (generate(rows, DIRECTORY) for rows in (sizes.rows, sizes.full))
        for number in range(sizes.rounds):
            with step(f"round {number + 1} of {sizes.rows:,} rows"):
                self.rounds.append(self.round(file, sizes.rows))
        self.files(file)
        with step(f"questions to {sizes.rows:,} rows"), self.site("few") as site:
            site.replay(file)
            self.settle(site)
            few = [latency.of_question(site, path, of.items(), sizes.requests)[0] for path, of in GROWING]
        self.consumers(file)
        with step(f"a click during a replay of {sizes.full:,} rows"), self.site("clicks", shop=True) as site:
            clicks, replay = latency.of_clicks(site, full, pause=replay_seconds(sizes) / 40)
            shop_memory = site.memory()["storefront"]
        with self.site("full", shop=True) as site:
            with step(f"a round of {sizes.full:,} rows"):
                whole = self.round(full, sizes.full, site)
                memory = site.memory()
            self.tell_rounds(self.rounds, f"median of {sizes.rounds} rounds")
            self.tell_rounds([whole], "one round")
            self.tell_files()
            self.tell_consumers()
            self.questions(site, [times.p99() for times in few])
            self.latencies(site)
            self.page(site)
            self.watched(site)
        self.row(
            f"a click in the shop during a replay of {sizes.full:,} rows, until `/api/totals` counts it "
            f"({len(clicks.milliseconds)} clicks)",
            f"{clicks.median():,.0f} ms, at most {clicks.largest():,.0f} ms",
            "",
            "< 3 s",
        )
        peaks = {"replay": max(whole.first.peak_memory, whole.again.peak_memory), **memory, "storefront": shop_memory}
        self.row(
            f"peak memory (VmHWM) while {sizes.full:,} rows are replayed twice",
            ", ".join(f"{name} {peak / 1e6:,.0f} MB" for name, peak in peaks.items()),
            "",
            "< 300 MB each",
        )

    def site(self, name, **options):
        return Site(name, DIRECTORY, **options)

    def round(self, file, rows, site=None):
        """Copies the file, then replays it twice on `site`, else on a fresh one."""
        if site is None:
            copied = baselines.copy(file)
            with self.site(f"round-{len(self.rounds) + 1}") as site:
                return self.replays(file, rows, copied, site)
        return self.replays(file, rows, baselines.copy(file), site)

    def replays(self, file, rows, copied, site):
        first, again = site.replay(file), site.replay(file)
        totals = site.analytics.json("/api/totals")
        if (first.stored, again.duplicate, sum(totals["events"].values())) != (rows, rows, rows):
            raise RuntimeError(f"not all of {rows:,} rows came through: {first}, {again}, {totals}")
        self.has_users = totals["users"] is not None
        return Round(rows, copied, first, again)

    def files(self, product):
        """Replays the shop's file as .gz too, and that of the electronics shop, which has no ids, also a short one."""
        electronics, short = (generate(rows, DIRECTORY, "electronics") for rows in (self.sizes.electronics, SHORT))
        tables = {product: baselines.PRODUCT_TABLE, electronics: baselines.ELECTRONICS_TABLE}
        self.packed = {file: [] for file in tables}
        for number in range(self.sizes.rounds):
            with self.progress.step(f"packed files, round {number + 1}"):
                for file, definition in tables.items():
                    packed = pack(file)
                    copied, unpacked = baselines.copy(file, definition), baselines.unpack(packed)
                    self.packed[file].append(Packed(copied, unpacked, self.alone(file), self.alone(packed)))
        self.short = [self.alone(short), self.alone(pack(short))]

    def alone(self, file):
        """A replay of the file on a fresh site."""
        with self.site("file") as site:
            return site.replay(file)

    def consumers(self, file):
        sizes, step = self.sizes, self.progress.step
        topic = "filled"
        with step("filling a topic"), self.site(topic, keep_topic=True) as site:
            site.replay(file, "--limit", str(sizes.batched))
        with step("a Python consumer with one insert a page"):
            self.one_statement = baselines.batched(topic, sizes.batched, baselines.one_statement)
        with step("a Python consumer with executemany"):
            self.executemany = baselines.batched(topic, sizes.batched, baselines.executemany)
        with step("a Python consumer row by row"):
            self.row_by_row = baselines.row_by_row(topic, sizes.row_by_row)

    def settle(self, site):
        """Lets what goes on in the background after a replay end: VACUUM ANALYZE does at once what autovacuum
        would do, the folding of counts comes within the rest."""
        with psycopg.connect(site.database_url, autocommit=True) as database:
            database.execute("set client_min_messages = error")
            database.execute("vacuum analyze")
        time.sleep(self.sizes.rest)

    def questions(self, site, few):
        """Asks at full size, warm; `few` are what the growing ones took with fewer rows."""
        few = iter(few)
        with self.progress.step("questions"):
            for profile in SIMULATED:
                site.simulate(profile, self.sizes.simulated)
            self.settle(site)
            users = "with users" if self.has_users else "without users, which this build does not count"
            for path, parameters, what, asked in [
                ("/api/daily", FIVE_MONTHS, "", "p99 < 50 ms"),
                ("/api/daily", FIVE_MONTHS | {"tz": "Asia/Kathmandu"}, "", "p99 < 150 ms"),
                ("/api/daily", FIVE_MONTHS | {"tz": "America/New_York"}, "", "p99 < 150 ms"),
                ("/api/breakdown", FIVE_MONTHS | {"by": "product"}, f", {users}", "p99 < 100 ms"),
                ("/api/breakdown", FIVE_MONTHS | {"by": "site_version"}, f", {users}", "p99 < 100 ms"),
                ("/api/totals", {}, f", {users}", ""),
                ("/api/windows", FIVE_MONTHS | HOURLY | {"group_by": "product"}, ", first page", "p99 < 150 ms"),
                ("/api/windows", DAY | HOURLY | {"group_by": "user_id"}, ", first page", "p99 < 300 ms"),
                ("/api/sessions", FIVE_MONTHS, "", "p99 < 50 ms"),
                ("/api/windows", {"kind": "session", "user_id": self.a_user(site)}, "", "p99 < 10 ms"),
                ("/api/windows", FIVE_MONTHS | {"kind": "session"}, ", first page", ""),
                *OF_SECTIONS,
            ]:
                # those of all rows would take most of the benchmark's time
                requests = self.sizes.requests // (4 if asked == OTHER else 1)
                times, _ = latency.of_question(site, path, parameters.items(), requests)
                query = "&".join(f"{name}={value}" for name, value in parameters.items())
                ratio = ""
                if (path, parameters) in GROWING:
                    ratio = f"{times.p99() / next(few):.2f} of what it takes with {self.sizes.rows:,} rows"
                    asked += ", ≤ 1.5"
                self.row(
                    f"`{path}{'?' * bool(query)}{query}`{what}; {self.sizes.full:,} rows, {requests} times",
                    f"median {times.median():.1f} ms, p99 {times.p99():.1f} ms",
                    ratio,
                    asked,
                )

    def a_user(self, site):
        """One who came often."""
        with psycopg.connect(site.database_url) as database:
            most = "select user_number from user_sessions group by 1 order by count(*) desc limit 1"
            return database.execute(f"select user_id(({most}))").fetchone()[0]

    def latencies(self, site):
        for rate, seconds, name in [
            (1, self.sizes.slow_seconds, "1 event a second"),
            (1_000, self.sizes.fast_seconds, "1,000 events a second"),
        ]:
            with self.progress.step(name):
                stored, live = latency.of_events(site, rate, seconds)
            for what, times, asked in [
                ("to stored", stored, "median < 100 ms"),
                ("to the live stream", live, "median < 200 ms"),
            ]:
                self.row(
                    f"from publish {what}, {name}, {seconds} s",
                    f"median {times.median():.1f} ms, p99 {times.p99():.1f} ms",
                    "",
                    asked,
                )

    def page(self, site):
        rows = f"{self.sizes.full:,} rows"
        query = "&".join(f"{name}={value}" for name, value in FIVE_MONTHS.items())
        with self.progress.step("the page in a browser"):
            for section in viewing.SECTIONS:
                load = viewing.of_cold_load(site, section, query)
                self.row(
                    f"{section.capitalize()} opened with an empty cache; {rows}",
                    f"first card drawn after {load['first']:,.0f} ms, all after {load['all']:,.0f} ms; "
                    f"{load['bytes'] / 1_000:,.0f} kB transferred",
                    "",
                    "first card < 1 s, < 700 kB",
                )
            for section in viewing.CLICKED:
                times = viewing.of_filters(site, section, query, self.sizes.filters)
                self.row(
                    f"{section.capitalize()}, from a click on a filter to its chart drawn anew; {rows}, "
                    f"{self.sizes.filters} clicks",
                    f"median {times.median():.0f} ms, p99 {times.p99():.0f} ms",
                    "",
                    "< 200 ms",
                )

    def watched(self, site):
        sizes = self.sizes
        with self.progress.step("the page during 1,000 events a second"), site.simulating(1_000):
            orders = viewing.of_orders(site, sizes.orders)
            delays, share, memory = viewing.of_viewers(site, sizes.viewers, sizes.viewed_seconds)
        self.row(
            f"from an order's POST to the open page, 1,000 events a second, {sizes.orders} orders",
            f"median {orders.median():.0f} ms, p99 {orders.p99():.0f} ms, at most {orders.largest():.0f} ms",
            "",
            "p99 < 1 s",
        )
        self.row(
            f"{sizes.viewers} open streams, 1,000 events a second, {sizes.viewed_seconds} s: from PostgreSQL's notice "
            "to each of them",
            f"median {delays.median():.0f} ms, p99 {delays.p99():.0f} ms; analytics takes {share:.0%} of a core, "
            f"{memory / 1e6:.0f} MB",
            "",
            "",
        )

    def tell_rounds(self, rounds, how):
        """The rounds' median, and each round's ratio, for a machine's speed drifts from minute to minute."""
        rows = rounds[0].rows
        users = "users" if self.has_users else "no users, which this build does not count"
        median = lambda value: statistics.median(map(value, rounds))
        each = lambda value: f" ({', '.join(f'{value(r):.2f}' for r in rounds)})" if len(rounds) > 1 else ""
        again = lambda r: r.again.seconds / r.first.seconds
        self.row(f"`\\copy` of {rows:,} rows, {how}", speed(rows, median(lambda r: r.copied)), "1", "")
        self.row(
            f"first replay of {rows:,} rows, {how}: stored, counts and {users}",
            speed(rows, median(lambda r: r.first.seconds)),
            f"{median(Round.of_copy):.2f} of `\\copy`'s rate{each(Round.of_copy)}",
            "≥ 0.5, aim 0.7",
        )
        after = lambda r: r.first.sessions_after / r.first.seconds
        self.row(
            f"until its sessions are kept too; {rows:,} rows, {how}",
            f"{median(lambda r: r.first.sessions_after):.1f} s later",
            f"{median(after):.2f} of the replay's time{each(after)}",
            "≤ 0.5",
        )
        self.row(
            f"second replay of {rows:,} rows, {how}: all duplicates",
            speed(rows, median(lambda r: r.again.seconds)),
            f"{median(again):.2f} of the first's time{each(again)}",
            "< 1",
        )

    def tell_files(self):
        for (file, rounds), kind in zip(self.packed.items(), ["product.csv", "electronics"]):
            rows = rounds[0].plain.read
            what = f"{kind}, {rows:,} rows, median of {len(rounds)} rounds"
            median = lambda value: statistics.median(map(value, rounds))
            each = lambda value: f" ({', '.join(f'{value(r):.2f}' for r in rounds)})"
            of_copy = lambda r: r.copied / r.plain.seconds
            of_plain = lambda r: r.gz.seconds / r.plain.seconds
            self.row(f"`\\copy` of {what}", speed(rows, median(lambda r: r.copied)), "1", "")
            self.row(
                f"replay of {what}",
                speed(rows, median(lambda r: r.plain.seconds)),
                f"{median(of_copy):.2f} of `\\copy`'s rate{each(of_copy)}",
                "",
            )
            self.row(
                f"the same as .gz, which `gzip -dc` takes {median(lambda r: r.unpacked):.1f} s to unpack",
                speed(rows, median(lambda r: r.gz.seconds)),
                f"{median(of_plain):.2f} of the plain file's time{each(of_plain)}",
                "about 1",
            )
            looked = [median(lambda r: r.plain.looked), median(lambda r: r.gz.looked)]
            share = [median(lambda r: r.plain.looked / r.plain.seconds), median(lambda r: r.gz.looked / r.gz.seconds)]
            self.row(
                "of these, until the first row is published: the file is looked through; plain, .gz",
                " and ".join(f"{seconds:.2f} s" for seconds in looked),
                " and ".join(f"{part:.2f}" for part in share) + " of the replay's time",
                "",
            )
        last = self.packed[file][-1]
        plain, gz = self.short
        self.row(
            f"peak memory (VmHWM) of replay, electronics of {plain.read:,} and {last.plain.read:,} rows; plain, .gz",
            ", ".join(
                f"{few.peak_memory / 1e6:.0f} and {many.peak_memory / 1e6:.0f} MB"
                for few, many in [(plain, last.plain), (gz, last.gz)]
            ),
            "",
            "flat",
        )

    def tell_consumers(self):
        ours = statistics.median(r.rows / r.first.seconds for r in self.rounds)
        for what, rows, rate, asked in [
            (f"one insert a page of {baselines.PAGE:,}", self.sizes.batched, self.one_statement, "≥ 3"),
            (f"executemany of pages of {baselines.PAGE:,}, pipelined", self.sizes.batched, self.executemany, "–"),
            ("an insert and a commit a row", self.sizes.row_by_row, self.row_by_row, "≥ 15"),
        ]:
            ratio = ours / rate
            self.row(
                f"Python consumer of a filled topic, {what}; {rows:,} rows",
                speed(rows, rows / rate),
                f"the first replay of {self.sizes.rows:,} rows is {ratio:,.{0 if ratio >= 100 else 1}f} times as fast",
                asked,
            )

    def row(self, *cells):
        self.table.append(cells)

    def markdown(self):
        lines = [("measured", "figure", "ratio", "asked for"), ("---",) * 4, *self.table]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def replay_seconds(sizes):
    return sizes.full / 100_000


def speed(rows, seconds):
    return f"{seconds:,.1f} s, {rows / seconds:,.0f} rows/s"


def output(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def first_match(file, start):
    lines = Path(file).read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(start)), "unknown")


def sync_milliseconds():
    """The median time of a write of 8 kB that is on disk, which every commit waits for."""
    times = []
    with (DIRECTORY / "sync").open("wb") as file:
        for _ in range(100):
            began = time.monotonic()
            file.write(bytes(8_192))
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - began)
    (DIRECTORY / "sync").unlink()
    return statistics.median(times) * 1_000


def machine():
    memory = int(first_match("/proc/meminfo", "MemTotal").split()[0]) / 1024**2
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        postgresql = database.execute("show server_version").fetchone()[0]
    kafka = Path(f"/proc/{(DIRECTORY / 'kafka.pid').read_text().split()[0]}/cmdline").read_text()
    kafka = re.search(r"kafka[-_]([\d.]*\d)", kafka)
    changed = ", with changes" if output("git", "status", "--porcelain", "--untracked-files=no") else ""
    processor = first_match("/proc/cpuinfo", "model name")
    return {
        "machine": f"{os.cpu_count()} cores ({processor}), {memory:.0f} GiB of memory, Linux {platform.release()}; "
        f"8 kB are on disk after {sync_milliseconds():.2f} ms",
        "servers": f"PostgreSQL {postgresql} and Kafka {kafka[1] if kafka else 'of KAFKA_HOME'}, one each, "
        "as `shopwindow services` starts them for the demo; consumer, analytics, replay and all baselines share the "
        "cores with them",
        "baselines": f"Python {platform.python_version()}, psycopg {version('psycopg')} (binary), confluent-kafka "
        f"{version('confluent-kafka')}, librdkafka {confluent_kafka.libversion()[0]}",
        "load": f"{os.getloadavg()[0]:.2f} processes on average in the minute before; at rest the figures mean most",
        "commit": f"{output('git', 'rev-parse', 'HEAD')}{changed}, {output('rustc', '--version')}",
    }


REPORT = """# Benchmarks

Written by `{command}` on {date}, in {minutes:.0f} minutes; the next run replaces it. Times depend on the machine;
the ratios compare what ran one after the other on the same one.

{facts}

{table}

How it is measured:

- The rows are those of `shopwindow generate product-csv --rows N`. Before each `\\copy` and each first replay the
  database is made anew after a checkpoint; fsync, synchronous_commit and acks=all are on.
- `\\copy` is psql's, into a table of the file's eight columns with `order_id uuid primary key` and no other index;
  of the electronics file into its nine columns without any, for it has no key.
- The electronics file is that of `shopwindow generate electronics-csv`, the .gz are gzip's. Until the first row is
  published: from the start of the process until the import's row is in PostgreSQL; the file's SHA-256 is taken meanwhile.
- A replay is `shopwindow replay FILE --json`, timed from its start until all is stored and folded into the counts.
- The Python consumers (`bench/baselines.py`) read a topic that a replay of ours has filled, into the columns of our
  `events` that such rows fill, with a primary key and no other index. They count nothing. Their time begins with the
  first message. In pages of 1,000 rows: `insert … on conflict do nothing` of all of them, one commit, one commit of
  offsets, the rows as one statement, or by psycopg's executemany as an insert each in one pipeline. Row by row: a
  commit and a commit of the offset for every row.
- From publish to stored: from before an event is handed to the Kafka client until the benchmark, which listens on
  PostgreSQL's channel `events_stored`, has heard of the transaction that stored it. To the live stream: until a
  message of `/api/live` has told of that transaction. The table already holds the rows of the last round.
- A click is `GET /product/clothes` on the shop, timed from before the request; `/api/totals` is asked every 20 ms.
- A section is opened by a headless Chromium with a fresh profile; times are the browser's own, since it began to
  navigate, bytes are those of all its requests as transferred, headers included. A card is drawn at the end of the frame in
  which its figures came. So is a chart after a click on a filter: its transition of 180 ms has then begun. Every second
  click takes the filter back.
- From an order's POST to the open page: until Live, which shows the shop's own events alone, has another number of orders.
- Open streams are connections to `/api/live` of one program, which shares the cores. An event waits for up to 100 ms, as
  each stream tells ten times a second at most; such a message is timed from the notice of its newest batch.
- Questions are asked over one kept connection, warm, after VACUUM ANALYZE and a rest, while nothing else runs. Those
  without an end read the events of the four simulators too, {simulated:,} of each.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small sizes, two minutes: shows that it works")
    smoke = parser.parse_args().smoke
    end_with_signals()
    (DIRECTORY / "logs").mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    facts = machine()
    bench = Bench(SMOKE if smoke else Sizes())
    bench.run()
    report = REPORT.format(
        command="make bench ARGS=--smoke" if smoke else "make bench",
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        minutes=(time.monotonic() - began) / 60,
        facts="\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
        table=bench.markdown(),
        simulated=bench.sizes.simulated,
    )
    target = DIRECTORY / "benchmarks.md" if smoke else ROOT / "docs/benchmarks.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(report)
    print(bench.markdown())
    print(f"also in {target.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ninterrupted")
