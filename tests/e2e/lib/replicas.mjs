// MCP servers as child processes: started on a free loopback port, several at once.
import { Child } from './child.mjs';
import { nodeBinary, inSuite } from './node.mjs';

/**
 * Starts `node FILE ARGS…` with PORT=0 and waits until it listens.
 * fixtures/loopback.mjs makes any server bind 127.0.0.1 and print its real port.
 */
export async function startReplica(name, file, args = [], env = {}) {
  const preload = ['--import', inSuite('fixtures/loopback.mjs')];
  const child = new Child(nodeBinary, [...preload, file, ...args], {
    env: { ...env, REPLICA: name, PORT: env.PORT ?? '0' },
  });
  const port = await child.awaitOutput(
    15_000,
    `${name} listens`,
    (output) => output.match(/^listening port=(\d+)$/m)?.[1],
  );
  const url = `http://127.0.0.1:${port}`;
  return { name, url, port: Number(port), child, stop: () => child.kill() };
}

/** Starts `count` replicas named replica-1, replica-2, … side by side. */
export async function startReplicas(count, file, args = [], env = {}) {
  const names = Array.from({ length: count }, (_, index) => `replica-${index + 1}`);
  const list = await Promise.all(names.map((name) => startReplica(name, file, args, env)));
  return {
    list,
    urls: list.map((replica) => replica.url),
    stop: () => Promise.all(list.map((replica) => replica.stop())),
  };
}
