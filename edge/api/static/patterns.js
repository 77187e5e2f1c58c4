// What a pattern was, in words: its claps, or the sound that the away mode reports.

const NAMES = { double: "two claps", triple: "three claps", sound: "sound while away" };
const NUMBERS = ["", "one clap", "two claps", "three claps", "four claps", "five claps", "six claps", "seven claps", "eight claps"];

export const isPattern = (data) => Array.isArray(data.intervals_ms);

export const nameOf = (label) => NAMES[label] ?? label;

// The claps, where the name does not say them, and the time between them; null for a sound.
export function rhythmOf({ label, intervals_ms: gaps }) {
  if (!gaps.length) return null;
  const claps = NUMBERS[gaps.length + 1];
  const apart = `${gaps.join(", ")} ms apart`;
  return claps === nameOf(label) ? apart : `${claps}, ${apart}`;
}
