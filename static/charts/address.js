// The page's address, which is all of its state. Whoever shows a part of it is told when it is another one.

const listeners = new Set();
const tell = () => {
  for (const listener of listeners) listener();
};
addEventListener("popstate", tell);

/** `listener()` after each change of the address, Back and Forward included. */
export function onAddress(listener) {
  listeners.add(listener);
}

/**
 * Goes to the query, "?…" or "/", without leaving the page. `choice` remembers by which choice it was reached, as a
 * range may have several names.
 */
export function go(search, { choice = history.state?.choice, replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"]({ choice }, "", search);
  tell();
}
