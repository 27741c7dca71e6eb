// Ports that stay a test's own while nothing listens on them.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below those that port 0 and outgoing connections get.
const FIRST = 20000;
const COUNT = 12000;

// A port on which nothing listens and nothing will but its owner, however often that stops and starts:
// a UDP socket on the same number holds it for as long as this process lives, so that no test of
// another process reserves it too.
export async function reservedPort() {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (!(await held(port))) continue;
    if (await isFree(port)) return port;
  }
  throw new Error('no free port');
}

async function held(port) {
  const holder = createSocket('udp4').unref();
  try {
    holder.bind({ port, address: '127.0.0.1', exclusive: true });
    await once(holder, 'listening');
    return true;
  } catch {
    holder.close();
    return false;
  }
}

async function isFree(port) {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch {
    return false;
  }
  await new Promise((resolve) => server.close(resolve));
  return true;
}
