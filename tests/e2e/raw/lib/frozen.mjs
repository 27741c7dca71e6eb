// A plain server in a process of its own that can hang: frozen, with no room for another
// connection, so that whoever connects waits in vain, as for a machine that is gone.

import net from 'node:net';
import { Child } from '../../lib/child.mjs';
import { inSuite } from '../../lib/node.mjs';
import { pause, poll } from './waiting.mjs';

const WAITING = 150; // ms after which a connection counts as not accepted
const QUEUE = 64; // more than its backlog has room for

export class FrozenServer {
  #child;
  #waiting = [];

  static async start(port) {
    const server = new FrozenServer();
    server.url = `http://127.0.0.1:${port}`;
    server.port = port;
    server.id = `127.0.0.1:${port}`;
    const file = inSuite('fixtures/small-backlog.mjs');
    server.#child = new Child(process.execPath, [file, String(port)]);
    await server.#child.awaitOutput(15_000, 'the server to listen', (text) => /listening/.test(text));
    return server;
  }

  async freeze() {
    this.#child.signal('SIGSTOP');
    for (let n = 0; n < QUEUE; n += 1) if (!(await this.#occupy())) return;
    throw new Error('a frozen server still accepts connections');
  }

  async thaw() {
    this.#release();
    this.#child.signal('SIGCONT');
    await poll(() => this.#answers(), 'the thawed server to answer');
  }

  async stop() {
    this.#release();
    await this.#child.kill();
  }

  #release() {
    for (const socket of this.#waiting.splice(0)) socket.destroy();
  }

  // Whether there was room for one more.
  async #occupy() {
    const socket = net.connect(this.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.unref();
    this.#waiting.push(socket);
    const connected = new Promise((resolve) => socket.once('connect', () => resolve(true)));
    return Promise.race([connected, pause(WAITING).then(() => false)]);
  }

  #answers() {
    return fetch(`${this.url}/health`, { signal: AbortSignal.timeout(500) }).then(
      (answer) => answer.ok,
      () => false,
    );
  }
}
