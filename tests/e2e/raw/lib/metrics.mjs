// Reads what Prometheus reads.

import { adminJson } from './balancer.mjs';

/** The page as a map: `name{labels in order}` to a number. */
export function parseMetrics(page) {
  const values = new Map();
  for (const line of page.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const space = line.lastIndexOf(' ');
    values.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return values;
}

export const metricsOf = async (balancer) =>
  parseMetrics((await adminJson(balancer, '/metrics')).text);

/** The sum of all series of a name whose labels include all of `labels`. */
export function sumOf(values, name, labels = {}) {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  let sum = 0;
  for (const [series, value] of values) {
    const [begin] = series.split('{');
    if (begin === name && wanted.every((label) => series.includes(label))) sum += value;
  }
  return sum;
}
