// What an operator does through the admin API.

import assert from 'node:assert/strict';
import { adminJson } from './balancer.mjs';
import { LIMIT, poll } from './waiting.mjs';

// POST to the admin API: {status, json, text}.
export async function command(balancer, path) {
  const answer = await fetch(new URL(path, balancer.adminUrl), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Connection: 'close' },
    body: '{}',
    signal: AbortSignal.timeout(LIMIT * 2),
  });
  const text = await answer.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // Said by `text`.
  }
  return { status: answer.status, json, text };
}

async function change(balancer, backend, what) {
  const { status, text, json } = await command(
    balancer,
    `/api/backends/default/${encodeURIComponent(backend)}/${what}`,
  );
  assert.equal(status, 200, text);
  return json.data;
}

export const drain = (balancer, backend) => change(balancer, backend, 'drain');
export const activate = (balancer, backend) => change(balancer, backend, 'activate');
export const disable = (balancer, backend) => change(balancer, backend, 'disable');

// The backends of the only pool, as GET /api/state has them.
export async function backendsOf(balancer) {
  const { status, json, text } = await adminJson(balancer, '/api/state');
  assert.equal(status, 200, text);
  return json.pools[0].backends;
}

// One of them; undefined when it has left.
export const stateOf = async (balancer, backend) =>
  (await backendsOf(balancer)).find(({ id }) => id === backend);

const isEmpty = ({ sessions, streams, in_flight: inFlight }) =>
  sessions === 0 && streams === 0 && inFlight === 0;

// Until nothing of it is left.
export const emptied = (balancer, backend, limit) =>
  poll(
    async () => {
      const state = await stateOf(balancer, backend);
      return !state || isEmpty(state);
    },
    `${backend} to be empty`,
    { limit: limit ?? 2 * LIMIT },
  );

// Until the pool has exactly these backends that take new sessions, by id.
export const serving = (balancer, ids, limit) =>
  poll(
    async () => {
      const up = (await backendsOf(balancer)).filter(({ state }) => state === 'up');
      return JSON.stringify(up.map(({ id }) => id).sort()) === JSON.stringify([...ids].sort());
    },
    `${ids} to serve`,
    { limit: limit ?? 2 * LIMIT, every: 50 },
  );
