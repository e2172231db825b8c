// One-letter keys, listed by the dialog that `?` opens.

/**
 * `actions` by key: a letter in upper case, "?", "/", "Escape", "ArrowLeft" and the like. Keys are left alone while one
 * types, chooses or reads a dialog, and together with Ctrl, Alt or Meta.
 */
export function listen(actions) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const { target } = event;
    if (target.closest?.("input, select, textarea, [contenteditable], dialog")) return;
    // what scrolls by the arrows goes on doing so
    if (event.key.startsWith("Arrow") && target.closest?.(".table, .rows, pre")) return;
    if (document.querySelector("dialog[open]")) return;
    // Escape closes an open tip first
    if (event.key === "Escape" && document.querySelector(":popover-open")) return;
    const action = actions[event.key.length === 1 ? event.key.toUpperCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
