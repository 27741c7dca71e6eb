// Starts the balancer under test: the binary that MCPLB_BIN names.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.mjs';

const sanitizerReport = /ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:/;

/** A pool over these backend URLs with the defaults of mcplb; `more` adds keys. */
export const poolOf = (urls, more = {}) => ({
  name: 'default',
  backends: urls.map((url) => ({ url })),
  ...more,
});

/** Addresses out of the lines `… listening … listener=NAME address=HOST:PORT`, text or JSON. */
function listenersIn(output) {
  const found = new Map();
  for (const line of output.split('\n')) {
    if (!/\blistening\b/.test(line)) continue;
    const name = line.match(/\blistener"?[=:] ?"?([^\s",}]+)/)?.[1];
    const address = line.match(/\baddress"?[=:] ?"?([^\s",}]+)/)?.[1];
    if (address) found.set(name ?? `listener-${found.size}`, address);
  }
  return found;
}

/** Fills in what every test wants: free ports, loopback, a quick end. */
function complete(config) {
  return {
    listeners: [{ name: 'main', address: '127.0.0.1:0' }],
    admin: { address: '127.0.0.1:0' },
    shutdown_timeout: '4s',
    ...config,
  };
}

/**
 * Starts mcplb with a configuration object, or with a raw command line (`args`).
 * `listeners` says how many listening lines to wait for when `args` is given.
 */
export async function startMcplb({ config, args, env = {}, listeners = 2 }) {
  const binary = process.env.MCPLB_BIN;
  assert.ok(binary, 'MCPLB_BIN must name the mcplb binary');
  const directory = await mkdtemp(join(tmpdir(), 'mcplb-e2e-'));
  if (config) {
    const full = complete(config);
    const file = join(directory, 'mcplb.yaml');
    await writeFile(file, JSON.stringify(full, null, 2)); // JSON is YAML
    args = ['run', '-c', file];
    listeners = full.listeners.length + 1;
  }
  const child = new Child(binary, args, { env, cwd: directory });
  const clean = () => rm(directory, { recursive: true, force: true });
  try {
    return balancer(child, clean, await awaitListeners(child, listeners));
  } catch (error) {
    await child.kill();
    await clean();
    throw error;
  }
}

const awaitListeners = (child, count) =>
  child.awaitOutput(15_000, `${count} listening lines of mcplb`, (output) => {
    const found = listenersIn(output);
    return found.size >= count && found;
  });

function balancer(child, clean, addresses) {
  const urlOf = (name) => addresses.has(name) && `http://${addresses.get(name)}`;
  const first = [...addresses.keys()].find((name) => name !== 'admin');
  let stopped = false;
  return {
    url: urlOf(first),
    adminUrl: urlOf('admin'),
    urlOf,
    pid: child.process.pid,
    logs: () => child.output,
    signal: (name) => child.signal(name),

    /** SIGTERM; the exit must be clean and without a sanitizer report. */
    async stop() {
      if (stopped) return;
      stopped = true;
      try {
        const exit = await child.end('SIGTERM', 15_000);
        assert.doesNotMatch(child.stderr, sanitizerReport);
        assert.deepEqual(exit, { code: 0, signal: null }, child.stderr.slice(-4000));
      } finally {
        await clean();
      }
    },

    /** SIGKILL, as a crash would do. */
    async kill() {
      stopped = true;
      await child.kill();
      await clean();
    },
  };
}
