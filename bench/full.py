"""`make full`: the proof that the file of full size comes through exactly, and the long tests.

Generates the file, lets DuckDB count it, replays it through a fresh demo and compares every figure that is kept
and served with DuckDB's and with the published ones; replays it again; then runs the tests that are ignored
otherwise. Prints a table of what was compared. Exit status 1 when anything differs.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta

import psycopg

import published
from oracle import SUM_OF_KEPT_SESSIONS, SUM_OF_STORED_ROWS, TYPES, Oracle, Question
from page import Page, number
from progress import Progress
from shopwindow import PROGRAM, ROOT, Http, Replaying, end_with_signals, generate, wait_until

DIRECTORY = ROOT / ".shopwindow/full"
SOURCE = "product.csv"
FIVE_MONTHS = Question("2019-01-01", "2019-06-01")
FILTERS = {
    "event_type": TYPES,
    "product": list(published.BY_PRODUCT),
    "site_version": list(published.USERS_BY_SITE),
    "source": [SOURCE],
}


class Report:
    """What was compared, and how it came out."""

    def __init__(self, quiet=False):
        self.quiet = quiet
        self.lines = []
        self.differences = 0

    def equal(self, what, expected, actual):
        """Compares two figures, or two dictionaries of figures."""
        if not isinstance(expected, dict):
            expected, actual = {"": expected}, {"": actual}
        names = list(expected | actual)
        different = [name for name in names if expected.get(name) != actual.get(name)]
        if different:
            told = [f"{name} {actual.get(name)}, expected {expected.get(name)}".strip() for name in different[:3]]
            self.add(what, False, f"{len(different)} of {len(names)} differ: {'; '.join(told)}")
        else:
            self.add(what, True, "equal" if len(names) == 1 else f"{len(names):,} figures equal")

    def add(self, what, good, how):
        self.differences += not good
        self.lines.append((what, how if good else f"**{how}**"))
        if not good and not self.quiet:
            print(f"\na difference: {what}", file=sys.stderr)

    def markdown(self):
        return "\n".join(f"| {what} | {how} |" for what, how in [("proof", "result"), ("---", "---"), *self.lines])


@contextmanager
def demo():
    """A fresh demo; its environment, as another terminal would source it."""
    ours = re.compile("KAFKA_|DATABASE_URL|SHOP|STOREFRONT_|ANALYTICS_|REPLAY_|CONSUMER_|SESSION_|RUST_LOG")
    clean = {name: value for name, value in os.environ.items() if not ours.match(name)}
    ports = {"STOREFRONT_ADDR": "127.0.0.1:0", "ANALYTICS_ADDR": "127.0.0.1:0"}
    secret = {"STOREFRONT_SECRET": "only for this proof"}
    with (DIRECTORY / "demo.log").open("ab") as log:
        command = [PROGRAM, "demo", "--dir", DIRECTORY]
        process = subprocess.Popen(command, env=clean | ports | secret, stdout=log, stderr=log)
    try:
        file = DIRECTORY / "env"
        wait_until("the demo is up", lambda: file.exists() or process.poll() is not None, 300)
        if process.poll() is not None:
            raise RuntimeError(f"the demo did not start; why stands at the end of {DIRECTORY}/demo.log")
        env = clean | dict(re.findall(r"export (\w+)='(.*)'", file.read_text()))
        wait_until("the demo is ready", Http(env["ANALYTICS_ADDR"]).is_ready)
        yield env
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


class Proof:
    def __init__(self, rows, with_tests):
        self.rows = rows
        self.is_full = rows == published.ROWS
        self.with_tests = with_tests
        self.report = Report()
        share = rows / published.ROWS
        steps = [
            ("generating the file", 8 * share),
            ("counting it with DuckDB", 20 * share + 1),
            ("starting a demo", 8),
            ("replaying the file", 90 * share + 4),
            ("comparing what is stored", 60 * share + 1),
            ("comparing what is served", 180 * share + 5),
            ("looking at the charts page", 8),
            ("replaying the file again", 80 * share + 4),
            ("comparing once more", 80 * share + 2),
            ("shopwindow verify", 100 * share + 1),
            ("the long tests", 1_500),
        ]
        self.progress = Progress(steps if with_tests else steps[:-1])

    def run(self):
        step = self.progress.step
        with step("generating the file"):
            file = generate(self.rows, DIRECTORY)
        with step("counting it with DuckDB"):
            self.oracle = Oracle(file, SOURCE)
            self.count_file()
        with ExitStack() as until_the_end:
            with step("starting a demo"):
                env = until_the_end.enter_context(demo())
            self.analytics = Http(env["ANALYTICS_ADDR"])
            self.database = psycopg.connect(env["DATABASE_URL"], autocommit=True)
            with step("replaying the file"):
                first = self.replay(file, env, {"stored": self.rows, "duplicate": 0})
            with step("comparing what is stored"):
                self.stored()
            with step("comparing what is served"):
                self.served()
            with step("looking at the charts page"):
                self.page(env["ANALYTICS_ADDR"])
            with step("replaying the file again"):
                again = self.replay(file, env, {"stored": 0, "duplicate": self.rows})
            self.report.add(
                "the second replay takes less time than the first",
                again.seconds < first.seconds or not self.is_full,
                f"{again.seconds:.1f} s after {first.seconds:.1f} s",
            )
            with step("comparing once more"):
                self.stored()
                self.totals(Question(), "all")
            with step("shopwindow verify"):
                self.verify(env)
            self.database.close()
        if self.with_tests:
            with step("the long tests"):
                self.tests()

    def count_file(self):
        """That the file has the published figures."""
        if not self.is_full:
            return
        oracle, equal = self.oracle, self.report.equal
        months = {f"{month:%Y-%m}": rows for month, rows in oracle.by("date_trunc('month', time)").items()}
        users = {value: figures[3] for value, figures in oracle.figures("site_version", Question()).items()}
        full = {key: rows for key, rows in published.cells().items() if rows}
        equal("the file, by DuckDB: published cells", full, oracle.by("site_version, title, product"))
        equal("the file, by DuckDB: published months", published.BY_MONTH, months)
        equal("the file, by DuckDB: published users", published.USERS, oracle.totals(Question())[3])
        equal("the file, by DuckDB: published users by site version", published.USERS_BY_SITE, users)

    def replay(self, file, env, expected):
        replay = Replaying(file, env, DIRECTORY / "replay.log").end(self.analytics)
        expected = {"read": self.rows, "rejected": 0, **expected}
        said = {name: getattr(replay, name) for name in expected}
        rate = f"{self.rows / replay.seconds:,.0f} rows/s, {replay.seconds:.1f} s until nothing was pending"
        self.report.equal(f"what the replay says ({rate})", expected, said)
        return replay

    def stored(self):
        """PostgreSQL: the rows and the counts by day."""
        expected = self.oracle.by("day, title, product, site_version")
        cells = "day, event_type, product, site_version"
        for what, query in [
            ("view daily_counts", f"select {cells}, sum(events)::bigint from daily_counts group by 1, 2, 3, 4"),
            (
                "table events, by day and cell",
                f"with dated as (select *, (occurred_at at time zone 'UTC')::date as day from events) "
                f"select {cells}, count(*) from dated group by 1, 2, 3, 4",
            ),
        ]:
            found = {tuple(key): number for *key, number in self.database.execute(query)}
            self.report.equal(f"PostgreSQL, {what}", expected, found)
        stored = int(self.database.execute(SUM_OF_STORED_ROWS).fetchone()[0] or 0)
        self.report.equal("PostgreSQL, every field of every row (sum of hashes)", self.oracle.sum_of_rows, stored)
        rejected = self.database.execute("select count(*) from rejected_events").fetchone()[0]
        self.report.equal("PostgreSQL, rejected events", 0, rejected)

    def served(self):
        """The figures of analytics: all of them, and for a number of ranges and filters."""
        self.totals(Question(), "all")
        self.daily(FIVE_MONTHS, "five months")
        for zone in ["America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]:
            self.daily(Question("2018-12-31", "2019-06-02", zone), f"five months of {zone}")
            self.totals(Question("2019-03-04", "2019-03-11", zone), f"a week of {zone}")
        for by in FILTERS:
            self.breakdown(by, FIVE_MONTHS, "five months")
        self.windows("tumbling, 1h", 60, [("kind", "tumbling"), ("size", "1h")])
        self.windows("hopping, 1h every 30m", 30, [("kind", "hopping"), ("size", "1h"), ("advance", "30m")])
        self.sessions()
        if self.is_full:
            self.as_published()
        compared = Report(quiet=True)
        for by, question in self.random_questions(30):
            name = str(question.parameters())
            self.breakdown(by, question, name, compared)
            self.daily(question, name, compared)
            self.totals(question, name, compared)
        different = [f"{what}: {how.strip('*')}" for what, how in compared.lines if how.startswith("*")]
        self.report.add(
            "/api/breakdown, daily and totals, ranges and filters drawn at random",
            not different,
            f"{len(different)} of {len(compared.lines)} answers differ: {'; '.join(different[:3])}"
            if different
            else f"{len(compared.lines)} answers equal",
        )

    def random_questions(self, number):
        """Dimensions, with ranges of days and filters."""
        draw = random.Random(2019)
        for _ in range(number):
            first, last = sorted(draw.sample(range(152), 2))
            day = lambda n: str(date(2019, 1, 1) + timedelta(n))
            names = draw.sample(list(FILTERS), draw.randint(0, 3))
            filters = {name: draw.sample(FILTERS[name], draw.randint(1, len(FILTERS[name]))) for name in names}
            yield draw.choice(list(FILTERS)), Question(day(first), day(last), None, filters)

    def as_published(self):
        """The published figures again, straight from analytics."""
        equal = self.report.equal
        totals = self.analytics.json("/api/totals")
        equal("/api/totals: published events by type", published.BY_TITLE, {t: totals["events"][t] for t in TYPES})
        equal("/api/totals: published users", published.USERS, totals["users"])
        months = dict.fromkeys(published.BY_MONTH, 0)
        for row in self.analytics.json("/api/daily", FIVE_MONTHS.parameters())["rows"]:
            months[row["day"][:7]] += sum(row[title] for title in TYPES)
        equal("/api/daily: published months", published.BY_MONTH, months)
        cells, products = {}, {}
        for site in published.USERS_BY_SITE:
            for row in self.analytics.json("/api/breakdown", [("by", "product"), ("site_version", site)])["rows"]:
                for title in TYPES:
                    cells[site, title, row["value"]] = row[title]
                    products[row["value"]] = products.get(row["value"], 0) + row[title]
        equal("/api/breakdown: published cells", published.cells(), cells)
        equal("/api/breakdown: published products", published.BY_PRODUCT, products)

    def daily(self, question, name, report=None):
        rows = self.analytics.json("/api/daily", question.parameters())["rows"]
        expected, day = {}, date.fromisoformat(question.start)
        figures = {day: counts for day, (*counts, _) in self.oracle.figures("day", question).items()}
        while day < date.fromisoformat(question.end):
            expected[str(day)] = [*figures.get(day, [0] * len(TYPES)), 0]
            day += timedelta(1)
        (report or self.report).equal(f"/api/daily, {name}", expected, {row["day"]: counts(row) for row in rows})

    def windows(self, name, advance, parameters):
        """All windows by product, page after page."""
        parameters = [*parameters, ("group_by", "product"), ("limit", "5000")]
        page, found = self.analytics.json("/api/windows", parameters), {}
        while True:
            found |= {(row["window_start"], row["group"]): [row["events"], row["orders"]] for row in page["rows"]}
            if not page["next"]:
                break
            page = self.analytics.json("/api/windows", [*parameters, ("cursor", page["next"])])
        self.report.equal(f"/api/windows by product, {name}", self.oracle.hours(advance), found)

    def sessions(self):
        """The figures of the sessions, and each of them."""
        expected, found = dict(self.oracle.sessions), self.analytics.json("/api/sessions", FIVE_MONTHS.parameters())
        lengths, histogram, longer_than = expected.pop("lengths"), {}, -1
        for part in found["histogram"]:
            up_to = part["up_to_seconds"]
            within = lambda seconds: longer_than < seconds and (up_to is None or seconds <= up_to)
            histogram[up_to] = sum(number for seconds, number in lengths.items() if within(seconds))
            longer_than = up_to
        expected["mean_seconds"] = f"{expected['mean_seconds']:.9f}"
        found["mean_seconds"] = f"{found['mean_seconds']:.9f}"
        self.report.equal("/api/sessions, gap 10m", expected, {name: found[name] for name in expected})
        found = {part["up_to_seconds"]: part["sessions"] for part in found["histogram"]}
        self.report.equal("/api/sessions, lengths", histogram, found)
        kept = int(self.database.execute(SUM_OF_KEPT_SESSIONS).fetchone()[0] or 0)
        self.report.equal("PostgreSQL, every kept session (sum of hashes)", self.oracle.sum_of_sessions, kept)

    def breakdown(self, by, question, name, report=None):
        rows = self.analytics.json("/api/breakdown", [("by", by), *question.parameters()])["rows"]
        expected = {value: [*counts, 0, users] for value, (*counts, users) in self.oracle.figures(by, question).items()}
        found = {row["value"]: [*counts(row), row["users"]] for row in rows}
        (report or self.report).equal(f"/api/breakdown by {by} with users, {name}", expected, found)

    def totals(self, question, name, report=None):
        totals = self.analytics.json("/api/totals", question.parameters())
        (*expected, users), (first, last) = self.oracle.totals(question), self.oracle.edges(question)
        moment = lambda time: time and f"{time:%Y-%m-%dT%H:%M:%S}.000000Z"
        names = [*TYPES, "other", "users", "first", "last"]
        expected = dict(zip(names, [*expected, 0, users, moment(first), moment(last)]))
        found = dict(zip(expected, [*counts(totals["events"]), totals["users"], totals["first"], totals["last"]]))
        (report or self.report).equal(f"/api/totals, {name}", expected, found)

    def page(self, address):
        """The charts page at the five months, by month, by product and by device."""
        equal = self.report.equal
        by_month = {month: figures[:3] for month, figures in self.oracle.figures("month(time)", FIVE_MONTHS).items()}
        totals = self.oracle.totals(FIVE_MONTHS)
        with Page(f"http://{address}/?section=trends&from=2019-01-01&to=2019-06-01&by=month", DIRECTORY / "chromium") as page:
            words = "return document.getElementById('range-words').textContent"
            wait_until("the page shows the range", lambda: "event" in page.evaluate(words))
            equal("charts page, events of the range", sum(totals[:3]), number(page.evaluate(words).split("·")[-1]))
            daily = page.table("daily")
            found = {month: [*map(number, cells[1:])] for month, cells in enumerate(daily["rows"], 1)}
            equal("charts page, shows, clicks and orders by month", by_month, found)
            equal("charts page, shows, clicks and orders", totals[:3], [*map(number, daily["foot"][1:])])
            orders = page.table("orders")
            names = [name.lower().replace(" ", "_") for name in orders["head"][1:]]
            expected = {value: figures[2] for value, figures in self.oracle.figures("product", FIVE_MONTHS).items()}
            expected = {name: rows for name, rows in expected.items() if rows} | {"all": totals[2]}
            equal("charts page, orders by product", expected, dict(zip(names, map(number, orders["foot"][1:]))))
            expected = self.oracle.by("site_version", FIVE_MONTHS)
            found = {name.lower(): number(rows) for name, rows, _ in page.table("devices")["rows"] if number(rows)}
            equal("charts page, events by device", expected, found)
            found = {name: page.figure(name) for name in ["shows", "clicks", "orders", "users"]}
            equal("charts page, figures of the range", dict(zip(found, totals)), found)
            parts, found = page.parts(), {}
            for (product, site), (*rows, _) in parts.items():
                if "all" not in (product, site):
                    found |= {(site, title, product): number for title, number in zip(TYPES, rows)}
            equal("charts page, the 30 cells", self.cells(), found)
            if self.is_full:
                equal("charts page, the 30 published cells", published.cells(), found)
            expected = {("all", "all"): totals}
            for column, key in [("product", lambda name: (name, "all")), ("site_version", lambda name: ("all", name))]:
                expected |= {key(name): row for name, row in self.oracle.figures(column, FIVE_MONTHS).items()}
            found = {key: row for key, row in parts.items() if "all" in key}
            equal("charts page, events and users by product and by device", expected, found)

    def cells(self):
        """Rows by site version, event type and product, the empty cells too."""
        rows = self.oracle.by("site_version, title, product", FIVE_MONTHS)
        return {key: rows.get(key, 0) for key in published.cells()}

    def verify(self, env):
        log = DIRECTORY / "verify.log"
        with log.open("wb") as out:
            status = subprocess.run([PROGRAM, "verify"], env=env, stdout=out, stderr=out).returncode
        said = log.read_text().strip().splitlines() or ["nothing"]
        self.report.add("shopwindow verify", status == 0, f"exit status {status}, its last line: {said[-1]}")

    def tests(self):
        """The tests that take too long for `make test`."""
        log = DIRECTORY / "tests.log"
        services = [PROGRAM, "services", "--dir", ".shopwindow/test"]
        tests = ["cargo", "test", "--workspace", "--release", "--locked", "--", "--ignored"]
        with log.open("wb") as out:
            status = subprocess.run([*services, "--", *tests], cwd=ROOT, stdout=out, stderr=out).returncode
        passed, failed = (
            sum(map(int, re.findall(rf"test result: .* (\d+) {word}", log.read_text(errors="replace"))))
            for word in ("passed", "failed")
        )
        self.report.add("the long tests", status == 0 and passed > 0, f"{passed} passed, {failed} failed, all in {log}")


def counts(row):
    """The counts of a file's event types, and those of all others together."""
    names = ["page_view", "product_view", "cart", "cart_remove"]
    return [*(row[title] for title in TYPES), sum(row[name] for name in names)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="300,000 rows, no long tests: shows that it works")
    smoke = parser.parse_args().smoke
    end_with_signals()
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    proof = Proof(300_000 if smoke else published.ROWS, with_tests=not smoke)
    try:
        proof.run()
    finally:
        print(proof.report.markdown())
    differences = proof.report.differences
    minutes = (time.monotonic() - began) / 60
    outcome = f"{differences} of {len(proof.report.lines)} proofs failed" if differences else "No difference"
    print(f"\n{outcome}; {minutes:.0f} minutes")
    return 1 if differences else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted")
