// The strip at the foot of the page: remembers whether it is open, and fills in the last step, which
// the server cannot know yet when it sends the page.
"use strict";

const strip = document.querySelector(".strip details");
const then = document.getElementById("then");
let asked = false;

strip.addEventListener("toggle", () => {
  document.cookie = `strip=${strip.open ? "on" : "off"}; Path=/; Max-Age=31536000; SameSite=Lax`;
  if (strip.open) followOnce();
});
if (strip.open) followOnce();

function followOnce() {
  if (asked) return;
  asked = true;
  follow();
}

// The shop answers when the row is there, or with 204 after some ten seconds.
async function follow() {
  say("waiting", "Waiting for the row in PostgreSQL");
  const giveUp = Date.now() + 60_000;
  while (Date.now() < giveUp) {
    try {
      const response = await fetch(`/strip/${then.dataset.event}`, { cache: "no-store" });
      if (response.status === 200) return tell(await response.json());
      if (response.status !== 204) await pause(2_000);
    } catch {
      await pause(2_000);
    }
  }
  say("", "Not stored yet, a minute later. Is the consumer running, and PostgreSQL? The event is safe in Kafka and will be stored when they are back.");
}

function tell(stored) {
  const { partition, offset } = then.dataset;
  const repeat = offset !== undefined && (stored.offset !== Number(offset) || stored.partition !== Number(partition));
  if (repeat) {
    say("", `Nothing new: this event was stored before, from partition ${stored.partition}, offset ${stored.offset}. The same event_id is the same event, so this copy counts as a duplicate and the first stays.`);
    return;
  }
  say("", " later it was a row in PostgreSQL: one row, however often the message comes.");
  const figure = document.createElement("strong");
  figure.className = "stored";
  figure.textContent = `${stored.stored_after_ms.toLocaleString("en")} ms`;
  then.firstElementChild.prepend(figure);
}

function say(className, text) {
  const line = document.createElement("p");
  line.className = className;
  line.textContent = text;
  then.replaceChildren(line);
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
