import assert from "node:assert/strict";
import test from "node:test";
import { Paced } from "./pace.js";

/** A job whose runs end when they are told to. */
function job() {
  const runs = [];
  const run = (signal) => {
    const one = { signal };
    one.ended = new Promise((resolve, reject) => Object.assign(one, { resolve, reject }));
    runs.push(one);
    return one.ended;
  };
  return { runs, run };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function until(condition) {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("requests during a run become one more run after it", async () => {
  const { runs, run } = job();
  const paced = new Paced(
    run,
    () => 0,
    () => {},
  );
  paced.resume();
  for (let i = 0; i < 5; i++) paced.request();
  assert.equal(runs.length, 1);
  runs[0].resolve();
  await until(() => runs.length === 2);
  runs[1].resolve();
  await turn();
  assert.equal(runs.length, 2);
});

test("runs start no closer than the gap", async () => {
  const starts = [];
  const paced = new Paced(
    async () => void starts.push(performance.now()),
    () => 60,
    () => {},
  );
  paced.resume();
  paced.request();
  await turn();
  paced.request();
  await until(() => starts.length === 2);
  assert.ok(starts[1] - starts[0] >= 59);
});

test("the gap is told how long the last run took", async () => {
  const { runs, run } = job();
  const took = [];
  const paced = new Paced(
    run,
    (time) => took.push(time) && 0,
    () => {},
  );
  paced.resume();
  paced.request();
  await new Promise((resolve) => setTimeout(resolve, 20));
  paced.request();
  runs[0].resolve();
  await until(() => runs.length === 2);
  assert.equal(took[0], 0);
  assert.ok(took[1] >= 19);
});

test("a paused job runs when it is resumed, and only if it was asked for", async () => {
  const { runs, run } = job();
  const paced = new Paced(
    run,
    () => 0,
    () => {},
  );
  paced.request();
  assert.equal(runs.length, 0);
  paced.resume();
  assert.equal(runs.length, 1);
  runs[0].resolve();
  await turn();
  paced.pause();
  paced.resume();
  await turn();
  assert.equal(runs.length, 1);
});

test("a restart drops the run under way and its outcome", async () => {
  const { runs, run } = job();
  const outcomes = [];
  const paced = new Paced(
    run,
    () => 1_000,
    (error) => outcomes.push(error),
  );
  paced.resume();
  paced.request();
  paced.restart();
  assert.equal(runs.length, 2);
  assert.ok(runs[0].signal.aborted);
  runs[0].reject(new Error("aborted"));
  runs[1].resolve();
  await turn();
  assert.deepEqual(outcomes, [null]);
});

test("a failed run is repeated unless trying again is of no use", async () => {
  const outcomes = [];
  let retry = true;
  const paced = new Paced(
    async () => {
      throw Object.assign(new Error("no"), { retry });
    },
    () => 0,
    (_, pause) => outcomes.push(pause),
  );
  paced.resume();
  paced.request();
  await turn();
  retry = false;
  await until(() => outcomes.length === 2);
  assert.deepEqual(outcomes, [1_000, null]);
  await turn();
  assert.equal(outcomes.length, 2);
});

test("what is asked for after a drop waits for no gap", async () => {
  const { runs, run } = job();
  const paced = new Paced(
    run,
    () => 60_000,
    () => {},
  );
  paced.resume();
  paced.request();
  runs[0].resolve();
  await turn();
  paced.request();
  assert.equal(runs.length, 1);
  paced.drop();
  paced.request();
  assert.equal(runs.length, 2);
  paced.drop();
});
