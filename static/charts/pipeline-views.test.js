import assert from "node:assert/strict";
import test from "node:test";
import { ReadError } from "./api.js";
import { bytes, healthOf, lagView, latencyView, milliseconds } from "./pipeline-views.js";

const postgresql = { version: "15.8 (Debian)", database_bytes: 1_234_000_000, events_bytes: 999, connections: 7 };
const kafka = { topic: "ecommerce", partitions: [{ partition: 0, first: 2, end: 12, next: 10, lag: 2 }] };

test("parts that work are told with what is seen of them", () => {
  const findings = healthOf({ kafka, postgresql, last_stored_at: "2026-01-01T00:00:00Z" }, { ready: true });
  assert.deepEqual(
    findings.map(({ part, state }) => [part, state]),
    [
      ["kafka", "ok"],
      ["postgresql", "ok"],
      ["consumer", "ok"],
    ],
  );
  assert.match(findings[1].detail, /^15\.8; database 1\.23 GB, events 999 B; 7 connections$/);
});

test("what does not work comes first, with its remedy, even when nothing else is known", () => {
  const away = { part: "postgresql", state: "trouble", detail: "it is away", remedy: "start it" };
  const lagging = { part: "consumer", state: "warning", detail: "lags", remedy: "wait" };
  const findings = healthOf(new ReadError("/api/pipeline", "away", true), { away: [away], warnings: [lagging] });
  assert.deepEqual(findings, [away, lagging]);
});

test("lag is told by partition, and why it is not known", () => {
  assert.deepEqual(lagView(kafka).table().rows, [["Partition 0", "2", "10", "2", "12"]]);
  const { note } = lagView({ detail: "no broker", remedy: "start one" });
  assert.match(note, /no broker.*start one/);
});

test("latencies are milliseconds until they are seconds", () => {
  assert.deepEqual([null, 0.4, 999, 2_500].map(milliseconds), ["–", "0 ms", "999 ms", "2.5 s"]);
  assert.match(latencyView({ events: 0, p50_ms: null, p95_ms: null, p99_ms: null }).command, /simulate/);
  assert.deepEqual([0, 999, 1_000, 2_345_678].map(bytes), ["0 B", "999 B", "1 kB", "2.35 MB"]);
});
