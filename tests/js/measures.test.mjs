import assert from "node:assert/strict";
import { test } from "node:test";

import { Rate, Series, shown, signed } from "../../app/web/static/measures.js";

test("percentiles of unsorted values, of one value, of none", () => {
  const series = new Series(100);
  assert.ok(Number.isNaN(series.percentile(0.5)));
  series.add(7);
  assert.deepEqual([series.percentile(0.5), series.percentile(0.95)], [7, 7]);
  series.clear();
  for (let value = 20; value >= 1; value -= 1) series.add(value);
  assert.deepEqual([series.percentile(0.5), series.percentile(0.95), series.percentile(1)], [10, 19, 20]);
});

test("old values, or those that are none, count for ever", () => {
  const series = new Series(2);
  for (const value of [1, NaN, 2, Infinity, 3]) series.add(value);
  assert.deepEqual(series.values, [2, 3]);
});

test("a rate that counts times instead of the gaps between them, or what was long ago", () => {
  const rate = new Rate(1000);
  assert.ok(Number.isNaN(rate.hz));
  rate.tick(0);
  assert.ok(Number.isNaN(rate.hz));
  rate.tick(5000);
  rate.tick(5100);
  rate.tick(5200);
  assert.equal(Math.round(rate.hz), 10);
});

test("numbers to read: a dash for none, a true minus, no fraction where there is none", () => {
  assert.deepEqual([shown(NaN, 1, " ms"), shown(3.14159, 1, " ms"), shown(Infinity)], ["–", "3.1 ms", "–"]);
  assert.deepEqual([signed(3), signed(-2), signed(0), signed(0.25), signed(-1.0000001), signed(-0.01), signed(-0.001)],
    ["+3", "−2", "0", "+0.3", "−1", "−0.01", "0.00"]);
});
