// Measures over the latest frames: percentiles and rates.

/** The latest values of one measure, oldest first. */
export class Series {
  constructor(size = 120) {
    this.size = size;
    this.values = [];
  }

  /** Add a value; what is no finite number counts for nothing. */
  add(value) {
    if (!Number.isFinite(value)) return;
    this.values.push(value);
    if (this.values.length > this.size) this.values.shift();
  }

  clear() {
    this.values = [];
  }

  /** The smallest value that at least `share` (0 to 1) of the values do not exceed; NaN without values. */
  percentile(share) {
    if (!this.values.length) return NaN;
    const sorted = [...this.values].sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  }

  get last() {
    return this.values.length ? this.values[this.values.length - 1] : NaN;
  }
}

/** How often something happens a second, over the last `window_ms`. */
export class Rate {
  constructor(window_ms = 2000) {
    this.window_ms = window_ms;
    this.times = [];
  }

  tick(now) {
    this.times.push(now);
    while (now - this.times[0] > this.window_ms) this.times.shift();
  }

  clear() {
    this.times = [];
  }

  /** Per second; NaN before the second time. */
  get hz() {
    const count = this.times.length - 1;
    return count < 1 ? NaN : (1000 * count) / Math.max(this.times[count] - this.times[0], 1e-6);
  }
}

/** A measure as text; a dash where there is none yet. */
export function shown(value, digits = 0, unit = "") {
  return Number.isFinite(value) ? `${value.toFixed(digits)}${unit}` : "–";
}

/** A reward or return: whole numbers without a fraction, small ones with two digits of it, a true minus sign. */
export function signed(value) {
  const digits = Math.abs(value - Math.round(value)) < 1e-6 ? 0 : Math.abs(value) < 0.1 ? 2 : 1;
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return value > 0 ? `+${text}` : `−${text}`;
}
