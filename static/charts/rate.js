// Events a second of the last 100 s, as a small chart.

import { countAxis } from "./axes.js";
import * as format from "./format.js";

/** `list` as Seconds gives it; the zone is that of the clock at the bars. */
export function rateView(list, zone) {
  const at = ({ second }) => format.clockTime(new Date(second * 1000), zone, true);
  const all = list.reduce((sum, { events }) => sum + events, 0);
  const most = Math.max(...list.map(({ events }) => events));
  return {
    label: `Events a second of the last ${list.length} seconds: ${format.count(all)} in all, ${format.count(most)} at the most.`,
    legend: [
      { color: "var(--accent)", name: "Last 100 s", value: format.compact(all) },
      { name: "Most in a second", value: format.compact(most) },
    ],
    table: () => ({ head: ["Second", "Events"], rows: list.toReversed().map((one) => [at(one), format.count(one.events)]) }),
    option: (theme) => ({
      // a bar a second to the left is another bar, not one that moves
      animation: false,
      grid: { id: "grid", left: 4, right: 4, top: 8, bottom: 4, outerBoundsMode: "same" },
      xAxis: [
        {
          id: "seconds",
          type: "category",
          data: list.map(at),
          axisLine: { lineStyle: { color: theme.line } },
          axisTick: { show: false },
          axisLabel: { color: theme.muted, fontSize: 12, interval: 24 },
        },
      ],
      yAxis: [countAxis(theme, { id: "counts", splitNumber: 2 })],
      tooltip: { trigger: "axis", valueFormatter: format.count },
      series: [
        {
          id: "events",
          type: "bar",
          name: "Events",
          color: theme.accent,
          barCategoryGap: "12%",
          data: list.map(({ events }) => events),
        },
      ],
    }),
  };
}
