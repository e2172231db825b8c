/** A view of a card that has nothing to show: why, and the command that would change it. */
export const nothing = (note, command = null) => ({ empty: true, label: note, note, command });
