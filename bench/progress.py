"""What a person sees on standard error while a long run goes on."""

import sys
import threading
import time
from contextlib import contextmanager


class Progress:
    """Tells which step runs and how much time is left.

    The steps are told beforehand, each with the seconds that it took elsewhere; how much faster or
    slower this machine is follows from the steps that are done.
    """

    def __init__(self, steps):
        self.steps = list(steps)
        self.number = 0
        self.began = time.monotonic()
        self.moving = sys.stderr.isatty()

    @contextmanager
    def step(self, name):
        """Runs the next step; steps come in the order in which they were told."""
        expected_name, _ = self.steps[self.number]
        assert name == expected_name, f"step {name!r} came instead of {expected_name!r}"
        self.number += 1
        began, done = time.monotonic(), threading.Event()
        ticker = threading.Thread(target=self._tick, args=(name, began, done), daemon=True)
        ticker.start()
        try:
            yield
        finally:
            done.set()
            ticker.join()
            self._write(f"[{self.number}/{len(self.steps)}] {name}: {time.monotonic() - began:.1f} s\n")

    def _tick(self, name, began, done):
        told = False
        while True:
            left = self._left(time.monotonic() - began)
            line = f"[{self.number}/{len(self.steps)}] {name}, {time.monotonic() - began:.0f} s … {left} left in all"
            if self.moving:
                self._write(line)
            elif not told:
                self._write(line + "\n")
                told = True
            if done.wait(0.5):
                return

    def _left(self, inside):
        done = sum(seconds for _, seconds in self.steps[: self.number - 1])
        now = self.steps[self.number - 1][1]
        rest = sum(seconds for _, seconds in self.steps[self.number :])
        elapsed = time.monotonic() - self.began - inside
        # what was told counts for something too: the first steps are short
        pace = (elapsed + 30) / (done + 30)
        left = pace * rest + max(pace * now - inside, 0)
        return f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"

    def _write(self, text):
        sys.stderr.write(f"\r\033[K{text}" if self.moving else text)
        sys.stderr.flush()
