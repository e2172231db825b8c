"""How soon the charts page shows something in a browser, and what it costs to be watched."""

import http.client
import os
import re
import selectors
import socket
import tempfile
import time
import urllib.parse
from pathlib import Path

from latency import USER_AGENT, Notices, Times, moment
from page import Page
from shopwindow import wait_until

SECTIONS = ["live", "trends", "sales", "funnel", "windows", "data", "pipeline"]
# on which card a filter is clicked, and which card is to show other figures then, by section
CLICKED = {
    "trends": ("devices", "daily"),
    "sales": ("sales-types", "sales-types"),
    "funnel": ("funnel-by", "stages"),
}

# Runs before the page's own script: notes when the first card that is shown has its figures, and when all have.
NOTE = """
window.noted = {};
new MutationObserver(() => {
  const cards = [...document.querySelectorAll('.card[data-state]')].filter((card) => card.checkVisibility());
  const note = (name) => requestAnimationFrame(() => setTimeout(() => (noted[name] ??= performance.now())));
  if (cards.some((card) => card.dataset.state === 'ready')) note('first');
  if (document.readyState !== 'loading' && cards.some((card) => card.dataset.state === 'ready')
      && !cards.some((card) => card.dataset.state === 'loading')) note('all');
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-state', 'hidden'] });
"""

LOADED = """
if (!noted.all) return null;
const paint = performance.getEntriesByName('first-contentful-paint')[0];
const loads = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
return { painted: paint.startTime, ...noted, bytes: loads.reduce((sum, load) => sum + load.transferSize, 0) };
"""

# A click on a card's filter, until the frame after the one in which the watched card has other figures, which the
# label of its chart or table tells.
CLICK = """
const [picking, watched, done] = arguments;
const find = () => [...document.querySelectorAll(`#${picking} button.picks`)].find((button) => button.checkVisibility());
if (!find()) document.querySelector(`#${picking} [data-toggle]`).click();
const filter = find();
const card = document.getElementById(watched);
const said = () => card.querySelector('caption')?.textContent + card.querySelector('[role=img]').getAttribute('aria-label');
const before = said();
const began = performance.now();
const drawn = new MutationObserver(() => {
  if (said() === before) return;
  drawn.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
});
drawn.observe(card, { subtree: true, childList: true, characterData: true, attributeFilter: ['aria-label'] });
filter.click();
"""

# Notes each figure of today's orders with the time of day.
WATCH = """
const figure = document.querySelector('[data-figure="orders-today"]');
window.seen = [];
new MutationObserver(() => seen.push([Number(figure.dataset.value), Date.now()]))
  .observe(figure, { attributeFilter: ['data-value'] });
"""


def of_cold_load(site, section, query):
    """What a browser with an empty cache shows of a section and when, in milliseconds since its navigation: `painted`
    anything, `first` card with figures, `all` cards; and `bytes` as they were transferred."""
    with tempfile.TemporaryDirectory() as profile, Page("about:blank", profile) as page:
        page.before_each_load(NOTE)
        page.open(f"http://{site.address}/?section={section}&{query}")
        return wait_until(f"{section} is drawn", lambda: page.evaluate(LOADED))


def of_filters(site, section, query, clicks):
    """Times from a click on a filter until the first frame with the new figures; every second click takes it back."""
    picking, watched = CLICKED[section]
    with tempfile.TemporaryDirectory() as profile, Page("about:blank", profile) as page:
        page.before_each_load(NOTE)
        page.open(f"http://{site.address}/?section={section}&{query}")
        wait_until(f"{section} is drawn", lambda: page.evaluate(LOADED))
        times = []
        for click in range(clicks):
            times.append(page.evaluate_async(CLICK, picking, watched))
            time.sleep(0.5)
    return Times(times)


def of_orders(site, orders):
    """Times from an order's POST to the shop until the open page shows it among today's orders of the shop."""
    with tempfile.TemporaryDirectory() as profile:
        _order(site)
        with Page(f"http://{site.address}/?source=storefront", profile) as page:
            wait_until("the stream is open", lambda: page.evaluate("return fresh.dataset.state === 'live'"))
            shown = "return Number(document.querySelector('[data-figure=\"orders-today\"]').dataset.value)"
            count = wait_until("an order is shown", lambda: page.evaluate(shown))
            page.evaluate(WATCH)
            times = []
            for _ in range(orders):
                count += 1
                began = _order(site)
                seen = lambda: [at for value, at in page.evaluate("return seen") if value >= count]
                times.append(wait_until("the order is shown", seen)[0] / 1_000 - began)
                time.sleep(0.1)
    return Times.of(times)


def _order(site):
    """Orders in the shop; the time of day when the order was sent."""
    shop = http.client.HTTPConnection(site.shop_address, timeout=20)
    shop.request("GET", "/product/clothes", headers={"User-Agent": USER_AGENT})
    answer = shop.getresponse()
    cookies = "; ".join(cookie.split(";")[0] for cookie in answer.headers.get_all("Set-Cookie", []))
    token = re.search(r'name="token" value="([^"]*)"', answer.read().decode())[1]
    form = urllib.parse.urlencode({"product": "clothes", "token": token})
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    began = time.time()
    shop.request("POST", "/order", form, {"User-Agent": USER_AGENT, "Cookie": cookies, **kind})
    answer = shop.getresponse()
    answer.read()
    shop.close()
    if answer.status not in (302, 303):
        raise RuntimeError(f"the shop answered an order with {answer.status}")
    return began


def of_viewers(site, viewers, seconds):
    """With so many open streams: times from a notice of PostgreSQL to each viewer's hearing of it, the share of a core
    that analytics takes, and its memory in bytes."""
    pid = site.processes["analytics"].pid
    notices, waiting, heard = Notices(site.database_url), selectors.DefaultSelector(), []
    try:
        for _ in range(viewers):
            host, port = site.address.split(":")
            viewer = socket.create_connection((host, int(port)))
            viewer.sendall(f"GET /api/live HTTP/1.1\r\nHost: {site.address}\r\n\r\n".encode())
            waiting.register(viewer, selectors.EVENT_READ)
        notices.start()
        began, busy = time.monotonic(), processor_seconds(pid)
        while time.monotonic() < began + seconds:
            for key, _ in waiting.select(0.1):
                told = re.findall(rb'"stored_at":"([^"]+)"', key.fileobj.recv(65_536))
                heard.extend((stored_at, time.monotonic()) for stored_at in told)
        share = (processor_seconds(pid) - busy) / (time.monotonic() - began)
        memory = resident(pid)
    finally:
        notices.end()
        for key in list(waiting.get_map().values()):
            key.fileobj.close()
        waiting.close()
    told = dict(reversed(notices.heard))
    delays = [at - told[stored] for text, at in heard if (stored := moment(text.decode())) in told]
    return Times.of(delays), share, memory


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
