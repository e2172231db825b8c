"""The charts page as a browser shows it."""

import http.client
import json
import os
import subprocess

from shopwindow import free_port, wait_until

# A card's chart turned into its table.
TABLE = """
const card = document.getElementById(arguments[0]);
if (card.dataset.view !== 'table') card.querySelector('[data-toggle]').click();
const cells = (row) => [...row.cells].map((cell) => cell.textContent.trim());
return {
  head: cells(card.querySelector('thead tr')),
  rows: [...card.querySelectorAll('tbody tr')].map(cells),
  foot: cells(card.querySelector('tfoot tr')),
};
"""

# The table of products and devices: [product or "all", device or "all", the figures as text] a row.
PARTS = """
return [...document.querySelectorAll('#parts tr[data-device]')].map((row) => [
  row.dataset.product || 'all',
  row.dataset.device || 'all',
  [...row.cells].slice(1).map((cell) => cell.textContent),
]);
"""
# A figure in full: it stands in the title where the tile shows it short.
FIGURE = """
const figure = document.querySelector(`[data-figure="${arguments[0]}"]`);
return figure.title || figure.textContent;
"""
# Which users are not counted yet, in words.
PENDING = "return document.querySelector('[data-note=\"pending\"]').textContent"


class Page:
    """A page in a headless Chromium, driven by chromedriver."""

    def __init__(self, url, profile):
        port = free_port()
        self.driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"],
            env={**os.environ, "LANGUAGE": "en_US", "LC_ALL": "C.UTF-8"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.path = "/session"
        wait_until("chromedriver listens", self._listens)
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        options = {"args": [*arguments, "--window-size=1280,1400", f"--user-data-dir={profile}"]}
        session = self._command("POST", "", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
        self.path += f"/{session['sessionId']}"
        self.open(url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._command("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()

    def evaluate(self, script, *arguments):
        return self._command("POST", "/execute/sync", {"script": script, "args": arguments})

    def evaluate_async(self, script, *arguments):
        """What the script gives to its last argument, a function."""
        return self._command("POST", "/execute/async", {"script": script, "args": arguments})

    def open(self, url):
        self._command("POST", "/url", {"url": url})

    def before_each_load(self, script):
        """Runs the script in each page before the page's own."""
        parameters = {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": script}}
        self._command("POST", "/goog/cdp/execute", parameters)

    def table(self, card):
        """The first row, the other rows and the last one of a card's table, all as text."""
        wait_until(f"{card} is drawn", lambda: self.evaluate(f"return {card}.dataset.state === 'ready'"))
        return self.evaluate(TABLE, card)

    def parts(self):
        """By product and site version, "all" for the sums: shows, clicks, orders and users."""
        wait_until("the parts are drawn", lambda: self.evaluate("return parts.dataset.state === 'ready'"))
        return {(product, site): [*map(number, cells)] for product, site, cells in self.evaluate(PARTS)}

    def figure(self, name):
        """A figure of the range, with all its digits."""
        wait_until("all users are counted", lambda: not self.evaluate(PENDING))
        return number(self.evaluate(FIGURE, name))

    def _listens(self):
        try:
            self.connection.connect()
            return True
        except ConnectionRefusedError:
            return False

    def _command(self, method, path, body=None):
        self.connection.request(method, self.path + path, None if body is None else json.dumps(body))
        value = json.loads(self.connection.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(f"chromedriver: {value['error']}: {value['message']}")
        return value


def number(text):
    """A whole number as the page writes it."""
    return int("".join(filter(str.isdigit, text)))
