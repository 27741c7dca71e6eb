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

// Polls until the backends are as `holds` wants them.
async function settled(balancer, holds, what, limit = 3 * LIMIT) {
  let seen;
  const look = async () => {
    seen = await backendsOf(balancer);
    return holds(seen);
  };
  await poll(look, () => `${what}; there are ${JSON.stringify(seen)}`, { limit, every: 50 });
}

const named = (backends, name) => backends.find(({ id }) => id === name);

// Until nothing of it is left.
export const emptied = (balancer, backend) =>
  settled(
    balancer,
    (all) => !named(all, backend) || isEmpty(named(all, backend)),
    `${backend} to be empty`,
  );

// Until it is no backend any more.
export const departed = (balancer, backend) =>
  settled(balancer, (all) => !named(all, backend), `${backend} to leave`);

// Until the pool has exactly these backends that take new sessions, by id.
export const serving = (balancer, ids) =>
  settled(
    balancer,
    (all) => {
      const up = all.filter(({ state }) => state === 'up').map(({ id }) => id);
      return JSON.stringify(up.sort()) === JSON.stringify([...ids].sort());
    },
    `only ${ids} to serve`,
  );
