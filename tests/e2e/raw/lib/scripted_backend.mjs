// A backend that keeps every byte it receives and answers by script.

import assert from 'node:assert/strict';
import net from 'node:net';
import { bytes, json, parseHead } from './bytes.mjs';
import { reservedPort } from './ports.mjs';
import { pause, Signal } from './waiting.mjs';

const MARK = bytes('\r\n\r\n');

export class ScriptedBackend {
  // `script(request, connection)` runs once for every whole request, in order per connection.
  static async start(script = answerOk, { port, onHead, name } = {}) {
    const backend = new ScriptedBackend(script, onHead, name);
    await backend.listen(port);
    return backend;
  }

  constructor(script, onHead, name) {
    this.script = script;
    this.onHead = onHead; // optional: runs when a head is complete, before its body
    this.name = name;
    this.host = '127.0.0.1';
    this.signal = new Signal();
    this.connections = [];
    this.requests = [];
    this.problems = []; // anything that mcplb must never have written
  }

  // After stop() the port is its own still: others are refused there until it listens again.
  async listen(port = this.port) {
    this.port = port ?? (await reservedPort());
    this.url = `http://${this.host}:${this.port}`;
    this.server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.connections.push(new BackendConnection(this, socket));
      this.signal.changed();
    });
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.port, this.host, () => {
        this.server.unref(); // a test that failed half-way must not keep the process
        resolve(this);
      });
    });
  }

  // From now on connections are refused.
  stop() {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      for (const connection of this.connections) connection.socket.destroy();
    });
  }

  // Connections that carried at least one byte (health checks carry none).
  get used() {
    return this.connections.filter((connection) => connection.bytesReceived > 0);
  }

  get bytesReceived() {
    return this.connections.reduce((sum, connection) => sum + connection.bytesReceived, 0);
  }

  get last() {
    return this.requests.at(-1);
  }

  clear() {
    this.requests = [];
  }

  until(check, what, limit) {
    return this.signal.until(check, what, limit);
  }

  // The n-th request (from 1) since clear().
  request(n = 1, limit = undefined) {
    return this.until(() => this.requests[n - 1], `request ${n} at the backend`, limit);
  }

  assertSound() {
    assert.deepEqual(this.problems, [], 'what mcplb wrote to the backend');
  }
}

export function answerOk(request, connection) {
  connection.send(json({ jsonrpc: '2.0', id: request.message?.id ?? null, result: {} }));
}

class BackendConnection {
  #buffer = Buffer.alloc(0);
  #queue = Promise.resolve();
  #head = null;

  constructor(backend, socket) {
    this.backend = backend;
    this.socket = socket;
    this.bytesReceived = 0;
    this.raw = [];
    this.served = 0;
    this.ended = null; // how the other side left: null | 'fin' | 'reset'
    this.over = false;
    socket.unref();
    socket.on('data', (data) => {
      this.bytesReceived += data.length;
      this.raw.push(data);
      this.#buffer = this.#buffer.length ? Buffer.concat([this.#buffer, data]) : data;
      this.#parse();
      backend.signal.changed();
    });
    socket.on('end', () => this.#end('fin'));
    socket.on('error', () => this.#end('reset'));
    socket.on('close', () => {
      this.over = true;
      this.#end('fin');
    });
  }

  #end(how) {
    this.ended ??= how;
    this.backend.signal.changed();
  }

  #parse() {
    for (;;) {
      try {
        const request = this.#next();
        if (!request) return;
        this.backend.requests.push(request);
        this.#queue = this.#queue
          .then(() => this.backend.script(request, this))
          .then(() => {
            this.served += 1;
          })
          .catch((error) => {
            if (!this.over) this.backend.problems.push(`script: ${error.stack}`);
          });
      } catch (error) {
        this.backend.problems.push(
          `${error.message}: ${JSON.stringify(this.#buffer.toString('latin1'))}`,
        );
        this.#buffer = Buffer.alloc(0);
        return;
      }
    }
  }

  #next() {
    if (!this.#head) {
      const at = this.#buffer.indexOf(MARK);
      if (at < 0) return null;
      const head = parseHead(this.#buffer.subarray(0, at + 4));
      const match = /^([!-~]+) ([!-~]+) HTTP\/1\.([01])$/.exec(head.first);
      assert.ok(match, `request line ${JSON.stringify(head.first)}`);
      assert.equal(head.all('host').length, 1, 'exactly one Host line');
      Object.assign(head, {
        method: match[1],
        target: match[2],
        minor: Number(match[3]),
        connection: this,
      });
      this.#buffer = this.#buffer.subarray(at + 4);
      this.#head = head;
      this.backend.onHead?.(head, this);
    }
    const body = this.#body(this.#head);
    if (!body) return null;
    const request = this.#head;
    this.#head = null;
    request.body = body;
    request.text = body.toString('utf8');
    try {
      request.message = JSON.parse(request.text);
    } catch {
      request.message = undefined;
    }
    return request;
  }

  #body(head) {
    if (head.has('transfer-encoding')) return this.#chunkedBody();
    const length = head.get('content-length') ?? '0';
    assert.match(length, /^(0|[1-9][0-9]*)$/, 'Content-Length towards the backend');
    if (this.#buffer.length < Number(length)) return null;
    const body = this.#buffer.subarray(0, Number(length));
    this.#buffer = this.#buffer.subarray(Number(length));
    return body;
  }

  #chunkedBody() {
    const parts = [];
    let at = 0;
    for (;;) {
      const end = this.#buffer.indexOf('\r\n', at);
      if (end < 0) return null;
      const line = this.#buffer.toString('latin1', at, end);
      assert.match(line, /^[0-9a-fA-F]+$/, 'chunk size towards the backend');
      const size = parseInt(line, 16);
      at = end + 2;
      if (size === 0) {
        const close = this.#buffer.indexOf('\r\n', at);
        if (close < 0) return null;
        assert.equal(close, at, 'trailers towards the backend');
        this.#buffer = this.#buffer.subarray(at + 2);
        return Buffer.concat(parts);
      }
      if (this.#buffer.length < at + size + 2) return null;
      parts.push(this.#buffer.subarray(at, at + size));
      at += size + 2;
    }
  }

  // Resolves when the kernel has taken the bytes.
  send(data) {
    return new Promise((resolve, reject) => {
      if (this.over) return resolve(false);
      return this.socket.write(bytes(data), (error) => (error ? reject(error) : resolve(true)));
    }).catch(() => false);
  }

  async sendSlowly(data, { size = 1, every = 0 } = {}) {
    const all = bytes(data);
    for (let at = 0; at < all.length; at += size) {
      await this.send(all.subarray(at, at + size));
      await (every ? pause(every) : new Promise(setImmediate));
    }
  }

  end(data) {
    if (data === undefined) this.socket.end();
    else this.socket.end(bytes(data));
  }

  reset() {
    this.socket.resetAndDestroy();
  }

  // mcplb has left this connection.
  left(limit) {
    return this.backend.until(
      () => this.ended,
      'mcplb to close its connection to the backend',
      limit,
    );
  }
}
