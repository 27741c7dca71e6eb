// mcplb as these tests want it: loopback, port 0, one worker, backends that are left alone.

import { startMcplb } from '../../lib/mcplb.mjs';
import { LIMIT, poll } from './waiting.mjs';

// Health checks and passive ejection stay out of the way unless a test is about them.
export const CALM = { health: { interval: '60s' } };

export const pool = (backends, settings = {}) => ({
  name: 'default',
  ...CALM,
  ...settings,
  backends: [backends]
    .flat()
    .map((backend) =>
      typeof backend === 'string' || !backend.port ? backend : { url: backend.url },
    ),
});

export function configOf(pools, settings = {}) {
  return {
    listeners: [{ address: '127.0.0.1:0', name: 'main' }],
    admin: { address: '127.0.0.1:0' },
    workers: 1,
    shutdown_timeout: '1s',
    ...settings,
    pools: [pools].flat(),
  };
}

export async function startBalancer(pools, settings = {}, options = {}) {
  const balancer = await startMcplb({ config: configOf(pools, settings), ...options });
  balancer.url = `http://${addressOf(balancer, 'main')}`;
  return balancer;
}

export const logText = (balancer) => [balancer.logs()].flat().join('\n');

// Stops everything in order, whatever fails on the way, and then reports the first failure.
export async function stopAll(...all) {
  const failures = [];
  for (const one of all.flat()) {
    try {
      await one?.stop();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length) throw failures[0];
}

// Until a line is in the log: it arrives through a pipe, some time after what it tells of is seen.
export const logged = (balancer, pattern) =>
  poll(() => pattern.test(logText(balancer)), () => `${pattern} in ${logText(balancer)}`, {
    limit: 4 * LIMIT,
  });

// Until every loop is connected to the store.
export const storeUp = (balancer) =>
  poll(
    async () => (await adminJson(balancer, '/health')).json.store.status === 'connected',
    () => `the store to be connected: ${logText(balancer)}`,
    { limit: 4 * LIMIT },
  );

// What a listener printed as its address, e.g. "127.0.0.1:41234".
export function addressOf(balancer, listener) {
  const line = logText(balancer)
    .split('\n')
    .find(
      (text) => /\blistening\b/.test(text) && new RegExp(`\\blistener=${listener}\\b`).test(text),
    );
  if (!line)
    throw new Error(`no line says that listener ${listener} listens:\n${logText(balancer)}`);
  return /\baddress="?([^\s"]+)/.exec(line)[1];
}

export async function adminJson(balancer, path) {
  const answer = await fetch(new URL(path, balancer.adminUrl), {
    headers: { Connection: 'close' },
    signal: AbortSignal.timeout(LIMIT),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, json: parse(text) };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
