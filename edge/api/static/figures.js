// How figures are written.

export const unitOf = (calibrated) => (calibrated ? "dB(A)" : "dBFS(A)");

export const decibels = (value, calibrated) => `${value.toFixed(0)} ${unitOf(calibrated)}`;

// A shot is not over in no time.
export function seconds(value) {
  const text = value.toFixed(1);
  return text === "0.0" ? "< 0.1 s" : `${text} s`;
}
