// What the section Pipeline makes of /api/pipeline and /readyz.

import { countAxis, END, NARROW, nameAxis } from "./axes.js";
import * as format from "./format.js";
import { nothing } from "./nothing.js";

const SECOND = 1_000;
const LEVELS = [
  { key: "p50_ms", name: "Half of them" },
  { key: "p95_ms", name: "95 of 100" },
  { key: "p99_ms", name: "99 of 100" },
];

/** A latency in words, a dash for none. */
export function milliseconds(ms) {
  if (ms === null || ms === undefined) return "–";
  return ms < SECOND ? `${format.count(Math.round(ms))} ms` : format.length(ms / SECOND);
}

export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const i = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, n)) / 3)));
  return `${Number((n / 1_000 ** i).toPrecision(3))} ${units[i]}`;
}

/**
 * The parts that there are, each {part, state, detail, remedy}. `pipeline` is the answer of /api/pipeline, or the error
 * that it failed with, `ready` that of /readyz.
 */
export function healthOf(pipeline, ready) {
  const told = [...(ready.away ?? []), ...(ready.warnings ?? [])];
  const findings = new Map(told.map((finding) => [finding.part, finding]));
  const ok = (part, detail) => {
    if (!findings.has(part)) findings.set(part, { part, state: "ok", detail, remedy: null });
  };
  const { kafka, postgresql, last_stored_at } = pipeline;
  if (kafka?.partitions) {
    const held = kafka.partitions.reduce((sum, { first, end }) => sum + end - first, 0);
    ok("kafka", `topic ${kafka.topic} of ${kafka.partitions.length} partitions holds ${format.count(held)} messages`);
  }
  if (postgresql) {
    const { version, database_bytes, events_bytes, connections } = postgresql;
    ok("postgresql", `${version.split(" ")[0]}; database ${bytes(database_bytes)}, events ${bytes(events_bytes)}; ${format.count(connections)} connections`);
    ok("consumer", last_stored_at ? "stores what comes" : "nothing came so far");
  }
  // what does not work comes first
  const rank = ["trouble", "warning", "ok"];
  return [...findings.values()].sort((a, b) => rank.indexOf(a.state) - rank.indexOf(b.state));
}

/** `kafka` of /api/pipeline. */
export function lagView(kafka) {
  const partitions = kafka.partitions ?? [];
  const all = partitions.reduce((sum, { lag }) => sum + lag, 0);
  const name = ({ partition }) => `Partition ${partition}`;
  return {
    label: `Messages that wait: ${partitions.map((one) => `${name(one)} ${format.count(one.lag)}`).join(", ")}.`,
    note: kafka.partitions
      ? all
        ? `${format.count(all)} messages wait to be stored.`
        : "Nothing waits: all that was published is stored."
      : `Kafka does not answer: ${kafka.detail}. ${kafka.remedy}`,
    table: () => ({
      head: ["Partition", "Waiting", "Next to store", "First held", "End"],
      rows: partitions.map((one) => [name(one), ...[one.lag, one.next, one.first, one.end].map(format.count)]),
    }),
    height: Math.max(80, partitions.length * 34 + 40),
    option: (theme, width) => ({
      grid: { id: "grid", left: 4, right: 48, top: 4, bottom: 4, outerBoundsMode: "same" },
      xAxis: [countAxis(theme, { id: "counts" })],
      yAxis: [nameAxis(theme, partitions.map(name), width)],
      tooltip: { trigger: "axis", valueFormatter: format.count },
      series: [
        {
          id: "lag",
          type: "bar",
          name: "Waiting",
          color: theme.accent,
          barMaxWidth: 20,
          itemStyle: { borderRadius: END },
          label: { show: true, position: "right", color: theme.muted, fontSize: 12, formatter: ({ value }) => format.compact(value) },
          data: partitions.map(({ lag }) => lag),
        },
      ],
    }),
  };
}

/** `latency` of /api/pipeline. */
export function latencyView(latency) {
  if (!latency.events)
    return nothing("No events in the last five minutes, imports aside. Click through the shop, or:", "shopwindow simulate --rate 5");
  const list = LEVELS.map(({ key, name }) => ({ name, ms: latency[key] }));
  return {
    label: `From occurring to stored: ${list.map(({ name, ms }) => `${name} ${milliseconds(ms)}`).join(", ")}.`,
    note: `${format.count(latency.events)} events of the last five minutes, imports aside.`,
    table: () => ({ head: ["Events", "Stored within"], rows: list.map(({ name, ms }) => [name, milliseconds(ms)]) }),
    height: 160,
    option: (theme, width) => ({
      grid: { id: "grid", left: 4, right: 64, top: 4, bottom: 4, outerBoundsMode: "same" },
      xAxis: [countAxis(theme, { id: "ms", splitNumber: width < NARROW ? 2 : 4, axisLabel: { color: theme.muted, fontSize: 12, formatter: milliseconds, hideOverlap: true } })],
      yAxis: [nameAxis(theme, list.map(({ name }) => name), width)],
      tooltip: { trigger: "axis", valueFormatter: milliseconds },
      series: [
        {
          id: "latency",
          type: "bar",
          name: "Stored within",
          color: theme.accent,
          barMaxWidth: 20,
          itemStyle: { borderRadius: END },
          label: { show: true, position: "right", color: theme.muted, fontSize: 12, formatter: ({ value }) => milliseconds(value) },
          data: list.map(({ ms }) => ms ?? "-"),
        },
      ],
    }),
  };
}
