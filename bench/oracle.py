"""DuckDB's counts of a product.csv: they share nothing with Shopwindow's but the file."""

from dataclasses import dataclass, field

import duckdb

TYPES = ["banner_show", "banner_click", "order"]
FIGURES = ", ".join(f"count(*) filter (where title = '{title}')" for title in TYPES) + ", count(distinct user)"
# a row as text; every field of every row goes into the sum of these numbers
ROW = "concat_ws(',', order_id, user_id, page_id, product, site_version, {time}, title)"

# a session as text
SESSION = "concat_ws(',', user_id, {first}, {last}, events, orders)"


@dataclass(frozen=True)
class Question:
    """A range of whole days of a zone, None for no bound, and for each filter the values that pass."""

    start: str = None
    end: str = None
    tz: str = None
    filters: dict = field(default_factory=dict)

    def parameters(self):
        """The same for analytics."""
        named = {"from": self.start, "to": self.end, "tz": self.tz, **self.filters}
        return [(name, value) for name, value in named.items() if value is not None]


class Oracle:
    def __init__(self, file, source):
        limits = {"memory_limit": "2GB", "temp_directory": str(file.parent)}
        self.database = duckdb.connect(config=limits)
        text = ["order_id", "user_id", "page_id", "product", "site_version"]
        columns = {**dict.fromkeys(text, "varchar"), "time": "timestamp", "title": "varchar", "target": "integer"}
        self.database.execute(
            """create table file as select * replace (if(product = 'company', 'electronics', product) as product)
            from read_csv($file, header = true, columns = $columns)""",
            {"file": str(file), "columns": columns},
        )
        number = "('0x' || substr(md5(" + ROW.format(time="strftime(time, '%Y-%m-%d %H:%M:%S')") + "), 1, 15))::bigint"
        self.sum_of_rows = int(self.database.execute(f"select sum({number}) from file").fetchone()[0])
        self.sessions, self.sum_of_sessions = self.cut_sessions()
        # without the long ids, for the memory
        self.database.execute(
            """create table rows as
            select numbered.id as user, product, site_version, title, title as event_type, $source as source,
                time, time at time zone 'UTC' as moment
            from file join (select user_id, row_number() over () as id from file group by 1) as numbered
                using (user_id)""",
            {"source": source},
        )
        self.database.execute("drop table file")

    def cut_sessions(self):
        """What /api/sessions tells of sessions with pauses of at most ten minutes, and a sum over all of them."""
        self.database.execute(
            """create table sessions as
            select user_id, min(time) as first, max(time) as last, count(*) as events,
                count(*) filter (where title = 'order') as orders
            from (
                select user_id, time, title, sum(begins::int) over one_user as session
                from (
                    select *, coalesce(time > lag(time) over one_user + interval 10 minute, true) as begins
                    from file
                    window one_user as (partition by user_id order by time)
                )
                window one_user as (partition by user_id order by time rows unbounded preceding)
            )
            group by user_id, session"""
        )
        number = "('0x' || substr(md5(" + SESSION.format(**{
            time: f"strftime({time}, '%Y-%m-%d %H:%M:%S')" for time in ["first", "last"]
        }) + "), 1, 15))::bigint"
        seconds = "epoch(last - first)"
        names = ["sessions", "users", "events", "with_order", "mean_seconds", "median_seconds"]
        figures = self.database.execute(
            f"""select count(*), count(distinct user_id), sum(events)::bigint, count(*) filter (where orders > 0),
                avg({seconds}), quantile_cont({seconds}, 0.5)
            from sessions"""
        ).fetchone()
        total = int(self.database.execute(f"select sum({number}) from sessions").fetchone()[0])
        lengths = self.database.execute(f"select {seconds}::bigint, count(*) from sessions group by 1").fetchall()
        self.database.execute("drop table sessions")
        return {**dict(zip(names, figures)), "lengths": dict(lengths)}, total

    def hours(self, advance):
        """Rows and orders by product in windows of an hour that begin every so many minutes."""
        starts = ", ".join(
            f"time_bucket(interval {advance} minute, time) - interval {back} minute" for back in range(0, 60, advance)
        )
        found = self.database.execute(
            f"""select strftime(start, '%Y-%m-%dT%H:%M:%S.000000Z'), product, count(*), count(*) filter (where title = 'order')
            from (select product, title, unnest([{starts}]) as start from rows) group by all"""
        ).fetchall()
        return {(start, product): [events, orders] for start, product, events, orders in found}

    def rows(self, select, question=Question(), rest=""):
        """The rows of `select … from rows where …`, with the question's days as `day`."""
        # the file's times are UTC, so its own days need no calendar
        day, values = ("(moment at time zone ?)::date", [question.tz]) if question.tz else ("time::date", [])
        conditions = ["true"]
        for bound, comparison in [(question.start, ">="), (question.end, "<")]:
            if bound:
                conditions.append(f"day {comparison} ?::date")
                values.append(bound)
        for name, passing in question.filters.items():
            conditions.append(f"list_contains(?, {name})")
            values.append(passing)
        query = f"select {select} from (select *, {day} as day from rows) where {' and '.join(conditions)} {rest}"
        return self.database.execute(query, values).fetchall()

    def by(self, columns, question=Question()):
        """Rows by the values of some columns."""
        grouped = self.rows(f"{columns}, count(*)", question, "group by all")
        return {key[0] if len(key) == 1 else tuple(key): number for *key, number in grouped}

    def figures(self, by, question):
        """By the values of a column: rows of each type, and users."""
        return {value: figures for value, *figures in self.rows(f"{by}, {FIGURES}", question, f"group by {by}")}

    def totals(self, question):
        """Rows of each type, and users."""
        return list(self.rows(FIGURES, question)[0])

    def edges(self, question):
        """The first and the last time, in UTC."""
        return self.rows("min(time), max(time)", question)[0]


# The same over the kept sessions.
SUM_OF_KEPT_SESSIONS = (
    "select sum(('x' || substr(md5("
    + SESSION.format(**{
        time: f"to_char({column} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
        for time, column in [("first", "started_at"), ("last", "ended_at")]
    })
    + "), 1, 15))::bit(60)::bigint) from user_sessions join (select first_number + n - 1 as user_number, u as user_id"
    " from user_ids, unnest(user_ids) with ordinality as ids(u, n)) as users using (user_number)"
)

# The same over the original's table, which a view of Shopwindow's is.
SUM_OF_STORED_ROWS = (
    "select sum(('x' || substr(md5("
    + ROW.format(time="to_char(time, 'YYYY-MM-DD HH24:MI:SS')")
    + "), 1, 15))::bit(60)::bigint) from ecommerce"
)
