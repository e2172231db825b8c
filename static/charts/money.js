// Amounts of money: decimal strings by currency, as the API gives them. Sums are exact and never across currencies.

/** The exact sum of decimal strings, as a decimal string. */
export function sum(amounts) {
  const digits = Math.max(0, ...amounts.map((amount) => fraction(amount).length));
  const units = amounts.reduce((all, amount) => {
    const [whole] = amount.split(".");
    return all + BigInt(whole + fraction(amount).padEnd(digits, "0"));
  }, 0n);
  const text = String(units < 0n ? -units : units).padStart(digits + 1, "0");
  const at = text.length - digits;
  return `${units < 0n ? "-" : ""}${text.slice(0, at)}${digits ? `.${text.slice(at)}` : ""}`;
}
const fraction = (amount) => amount.split(".")[1] ?? "";

/** The currencies of an amount, the one that has most first; as numbers, for none is worth more than another. */
export const currencies = (amount) =>
  Object.keys(amount).sort((a, b) => Number(amount[b]) - Number(amount[a]) || (a < b ? -1 : 1));
