import assert from "node:assert/strict";
import test from "node:test";
import { Seconds } from "./seconds.js";

test("the last hundred seconds are all there, those without events as zeros", () => {
  const seconds = new Seconds();
  const now = Date.parse("2026-11-26T10:00:00.900Z");
  seconds.begin([{ window_start: "2026-11-26T09:59:58Z", events: 3 }]);
  seconds.add(now, 2);
  seconds.add(now, 5);
  const list = seconds.last(now);
  assert.equal(list.length, 100);
  assert.deepEqual(
    list.slice(-4).map(({ events }) => events),
    [0, 3, 0, 7],
  );
  const later = seconds.last(now + 98_000).map(({ events }) => events);
  assert.deepEqual([later[0], later.slice(1).every((events) => events === 0)], [0, false]);
  assert.ok(seconds.last(now + 200_000).every(({ events }) => events === 0));
});
